// Committing: one journal record, durable together with the slots it names, then applied (S1, S2,
// S10).
#include "server/store/snap_store_impl.h"

namespace ddsnap {

Status SnapStore::Impl::commit(Operation operation, unsigned spare_records) {
  std::vector<Operation> operations;
  operations.push_back(std::move(operation));
  return commit(operations, {}, spare_records);
}

Status SnapStore::Impl::commit(const std::vector<Operation>& operations,
                               std::vector<IoRequest> slot_writes, unsigned spare_records) {
  if (failed) return std::unexpected(*failed);
  std::vector<std::byte> bytes;
  for (const Operation& operation : operations) encode_operation(operation, bytes);
  if (!journal.has_room(bytes.size(), spare_records)) {
    DD_TRY(checkpoint());
    if (!journal.has_room(bytes.size(), spare_records))
      return fail(ErrorCode::kNoSpace, "the journal is too small for this commit");
  }
  const IoRequest record = journal.plan(bytes);
  if (is_split) {
    if (!slot_writes.empty()) DD_TRY(write_durably(snapstore, slot_writes));
    slot_writes.assign(1, record);
  } else {
    slot_writes.push_back(record);
  }
  DD_TRY(write_durably(metadata, slot_writes));
  journal.committed();
  Freed freed;
  for (const Operation& operation : operations) DD_CHECK(state.apply(operation, freed));
  take(std::move(freed));
  return {};
}

// S10: a failed write or flush leaves unknown what is on the device, and a later good flush proves
// nothing about it. The batch is written again whole at the same place; if that fails too, the
// store steps down and says so to every later change.
Status SnapStore::Impl::write_durably(BlockDevice& device, std::vector<IoRequest>& requests) {
  Status status;
  for (int attempt = 0; attempt < 2; ++attempt) {
    status = device.run(requests);
    if (status) status = device.flush();
    if (status) return status;
  }
  failed = Error{.code = ErrorCode::kIo,
                 .sys_errno = status.error().sys_errno,
                 .text = device.name() + ": the snapstore failed and takes no more changes: " +
                         status.error().text};
  return std::unexpected(*failed);
}

void SnapStore::Impl::take(Freed freed) {
  for (const SlotNr slot : freed.slots) slots.mark_free(slot.value);
  for (Reclaim& reclaim : freed.reclaims) reclaims.push_back(std::move(reclaim));
}

std::uint64_t SnapStore::Impl::blocks_for_checkpoint() const {
  const Boundary* newest = state.newest();
  const std::uint64_t map_bytes = newest && !newest->map_is_keys ? newest->map.getSizeInBytes() : 0;
  return blob_blocks(manifest_bytes) + dirty_map_blocks +
         state.recent_entries() / kRunEntriesPerBlock + 2 + blob_blocks(map_bytes);
}

// Twice what a checkpoint takes (old and new manifest stand side by side), and a margin for one
// piece of a merge.
bool SnapStore::Impl::is_metadata_short() const {
  const std::uint64_t margin =
      std::min<std::uint64_t>(blocks.unit_count() / 16, kMergeEntriesPerStep / kRunEntriesPerBlock);
  return blocks.free_count() < 2 * blocks_for_checkpoint() + margin;
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
      dirty_map_blocks +=
          blob_blocks(boundary.map.getSizeInBytes() + boundary.private_keys.getSizeInBytes() + 32);
}

Status SnapStore::Impl::make_metadata_room() {
  if (is_metadata_short()) DD_TRY(checkpoint());
  if (!is_metadata_short()) return {};
  return fail(ErrorCode::kNoSpace, "no room left for metadata; delete snapshots or bookmarks");
}

}  // namespace ddsnap
