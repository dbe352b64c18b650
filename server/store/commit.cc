// Committing: one journal record, durable together with the slots it names, then applied (S1, S2,
// S10).
#include <algorithm>

#include "server/store/snap_store_impl.h"

namespace ddsnap {

bool any_failed(const std::vector<IoRequest>& requests) {
  return std::ranges::any_of(requests, [](const IoRequest& request) { return !request.status; });
}

Status SnapStore::Impl::commit(Operation operation, unsigned spare_records) {
  std::vector<Operation> operations;
  operations.push_back(std::move(operation));
  std::vector<IoRequest> no_slots;
  return commit(operations, no_slots, spare_records);
}

Status SnapStore::Impl::commit(const std::vector<Operation>& operations,
                               std::vector<IoRequest>& slot_writes, unsigned spare_records) {
  if (failed) return std::unexpected(*failed);
  std::vector<std::byte> bytes;
  for (const Operation& operation : operations) encode_operation(operation, bytes);
  if (!journal.has_room(bytes.size(), spare_records)) {
    DD_TRY(checkpoint());
    if (!journal.has_room(bytes.size(), spare_records))
      return fail(ErrorCode::kNoSpace, "the journal is too small for this commit");
  }
  DD_TRY(write_record(journal.plan(bytes), slot_writes));
  journal.committed();
  Freed freed;
  for (const Operation& operation : operations) DD_CHECK(state.apply(operation, freed));
  take(std::move(freed));
  return {};
}

Status SnapStore::Impl::write_record(std::span<const IoRequest> record,
                                     std::vector<IoRequest>& slot_writes) {
  std::vector<IoRequest> in_rings(record.begin(), record.end());
  if (is_split) {
    if (!slot_writes.empty()) DD_TRY(write_slots(slot_writes));
    return write_durably(metadata, in_rings);
  }
  const auto slot_count = static_cast<std::ptrdiff_t>(slot_writes.size());
  slot_writes.insert(slot_writes.end(), in_rings.begin(), in_rings.end());
  const Status written = try_durably(metadata, slot_writes);
  in_rings.assign(slot_writes.begin() + slot_count, slot_writes.end());
  const bool recorded = !any_failed(in_rings);
  slot_writes.erase(slot_writes.begin() + slot_count, slot_writes.end());
  if (written) return {};
  // A record that may be there and was not acknowledged names slots that are not: recovery judges
  // it, and the next record takes its place (S2).
  if (recorded && any_failed(slot_writes)) return written;
  return fail_for_good(metadata, written.error());
}

// On a device of their own: where its flush fails, no slot can be trusted.
Status SnapStore::Impl::write_slots(std::vector<IoRequest>& slot_writes) {
  const Status written = try_durably(snapstore, slot_writes);
  if (!written && !any_failed(slot_writes))
    for (IoRequest& request : slot_writes) request.status = written;
  return written;
}

// S10: a failed write or flush leaves unknown what is on the device, and a later good flush proves
// nothing about it. The batch is written again whole at the same place.
Status SnapStore::Impl::try_durably(BlockDevice& device, std::vector<IoRequest>& requests) {
  Status status;
  for (int attempt = 0; attempt < 2; ++attempt) {
    status = device.run(requests);
    if (status) status = device.flush();
    if (!status) continue;
    repeated_writes += static_cast<std::uint64_t>(attempt);
    return {};
  }
  return status;
}

Status SnapStore::Impl::write_durably(BlockDevice& device, std::vector<IoRequest>& requests) {
  const Status written = try_durably(device, requests);
  if (written) return {};
  return fail_for_good(device, written.error());
}

// The store steps down and says so to every later change.
std::unexpected<Error> SnapStore::Impl::fail_for_good(const BlockDevice& device,
                                                      const Error& error) {
  failed = Error{
      .code = ErrorCode::kIo,
      .sys_errno = error.sys_errno,
      .text = device.name() + ": the snapstore failed and takes no more changes: " + error.text};
  return std::unexpected(*failed);
}

void SnapStore::Impl::take(Freed freed) {
  for (const SlotNr slot : freed.slots) slots.mark_free(slot.value);
  for (Reclaim& reclaim : freed.reclaims) reclaims.push_back(std::move(reclaim));
}

std::uint64_t SnapStore::Impl::blocks_for_checkpoint() const {
  const Boundary* newest = state.newest();
  const std::uint64_t map_bytes = newest && !newest->map_is_keys ? newest->map.stored_bytes() : 0;
  return 2 * blob_blocks(manifest_bytes) + dirty_map_blocks +
         state.recent_entries() / kRunEntriesPerBlock + 2 + blob_blocks(map_bytes);
}

// Twice what a checkpoint takes, but for the manifest, whose two copies are counted already; and a
// margin for one piece of a merge.
std::uint64_t SnapStore::Impl::blocks_kept_free() const {
  const std::uint64_t margin =
      std::min<std::uint64_t>(blocks.unit_count() / 16, kMergeEntriesPerStep / kRunEntriesPerBlock);
  return 2 * (blocks_for_checkpoint() - blob_blocks(manifest_bytes)) + margin;
}

bool SnapStore::Impl::is_metadata_short() const {
  return blocks.free_count() < blocks_kept_free();
}

void SnapStore::Impl::count_small_change(std::uint64_t map_bytes) {
  constexpr std::uint64_t kBoundaryBytesAtMost = 320;
  manifest_bytes += kBoundaryBytesAtMost;
  if (map_bytes != 0) dirty_map_blocks += blob_blocks(map_bytes) + 1;
  is_cramped = false;
}

void SnapStore::Impl::count_checkpoint_need() {
  manifest_bytes = manifest_bytes_at_most(state);
  dirty_map_blocks = 0;
  for (const auto& [epoch, boundary] : state.boundaries)
    if (boundary.is_map_dirty && !boundary.map_is_keys)
      dirty_map_blocks += blob_blocks(
          boundary.map.stored_bytes() + boundary.private_keys.stored_bytes() +
          (boundary.table ? boundary.table->missing.getSizeInBytes() : 0) +
          (boundary.private_table ? boundary.private_table->missing.getSizeInBytes() : 0) + 32);
}

Status SnapStore::Impl::make_metadata_room() {
  if (is_metadata_short()) DD_TRY(checkpoint());
  if (!is_metadata_short()) return {};
  return fail(ErrorCode::kNoSpace, "no room left for metadata; delete snapshots or bookmarks");
}

}  // namespace ddsnap
