#include "server/store/snap_store.h"

#include <fmt/format.h>

#include <algorithm>

#include "server/store/snap_store_impl.h"

namespace ddsnap {

SnapStore::SnapStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SnapStore::~SnapStore() = default;

const StoreFacts& SnapStore::facts() const {
  return impl_->facts;
}
const std::vector<std::string>& SnapStore::findings() const {
  return impl_->findings;
}
const std::optional<Error>& SnapStore::failed() const {
  return impl_->failed;
}

StoreUsage SnapStore::usage() const {
  StoreUsage usage{.slots_free = impl_->slots.free_count(),
                   .metadata_bytes_used = impl_->blocks.used_count() * kMetadataBlockBytes,
                   .journal_bytes_used = impl_->journal.used_bytes(),
                   .first_writes = impl_->first_writes,
                   .batches = impl_->batches,
                   .repeated_writes = impl_->repeated_writes};
  for (const auto& [epoch, boundary] : impl_->state.boundaries) {
    if (boundary.table) usage.exceptions += boundary.table->keys.cardinality();
    if (boundary.table) usage.lost_chunks += boundary.table->lost.cardinality();
    if (boundary.private_table) usage.exceptions += boundary.private_table->keys.cardinality();
  }
  return usage;
}

// ---- boundaries ----

std::size_t SnapStore::boundary_count() const {
  return impl_->state.boundaries.size();
}

std::vector<BoundaryFacts> SnapStore::boundaries(Epoch after, std::size_t at_most) const {
  std::vector<BoundaryFacts> result;
  const auto& all = impl_->state.boundaries;
  for (auto at = all.upper_bound(after.value); at != all.end() && result.size() < at_most; ++at)
    result.push_back(at->second.facts());
  return result;
}

std::optional<BoundaryFacts> SnapStore::find(const std::string& tag) const {
  const Boundary* boundary = impl_->state.find(tag);
  if (!boundary) return std::nullopt;
  return boundary->facts();
}

std::optional<BoundaryFacts> SnapStore::find(Epoch epoch) const {
  const Boundary* boundary = impl_->state.find(epoch);
  if (!boundary) return std::nullopt;
  return boundary->facts();
}

std::optional<BoundaryFacts> SnapStore::find(const Uuid& uuid) const {
  for (const auto& [epoch, boundary] : impl_->state.boundaries)
    if (boundary.uuid == uuid) return boundary.facts();
  return std::nullopt;
}

Epoch SnapStore::newest_boundary() const {
  const Boundary* newest = impl_->state.newest();
  return newest ? newest->epoch : Epoch{};
}
Epoch SnapStore::newest_live() const {
  return impl_->state.newest_live();
}
Epoch SnapStore::last_created() const {
  return impl_->state.last_created;
}

Result<Epoch> SnapStore::create(const NewBoundary& boundary) {
  if (find(boundary.tag))
    return fail(ErrorCode::kExists, fmt::format("snapshot {} already exists", boundary.tag));
  const std::size_t count = impl_->state.boundaries.size();
  const bool is_full =
      boundary.is_bookmark ? count >= kMaxBoundaries : impl_->state.live().size() >= kMaxSnapshots;
  if (is_full || count >= kMaxBoundaries)
    return fail(ErrorCode::kNoSpace, fmt::format("there are {} snapshots already, the most that a "
                                                 "store holds",
                                                 count));
  DD_TRY(impl_->make_metadata_room());
  const Epoch epoch{impl_->state.next_epoch};
  DD_TRY(impl_->commit(CreateOp{epoch, boundary, impl_->facts.geometry.volume_bytes}));
  impl_->count_small_change(0);
  return epoch;
}

namespace {
std::unexpected<Error> no_such(Epoch epoch) {
  return fail(ErrorCode::kNotFound, fmt::format("no snapshot of epoch {}", epoch.value));
}

// What a change map takes that is stored by itself.
std::uint64_t own_map_bytes(const Boundary* boundary) {
  return boundary && !boundary->map_is_keys ? boundary->map.stored_bytes() : 0;
}
}  // namespace

Status SnapStore::remove(Epoch epoch, Keep keep) {
  const Boundary* boundary = impl_->state.find(epoch);
  if (!boundary) return no_such(epoch);
  const Epoch older = impl_->state.live().before(epoch);
  DD_TRY(impl_->commit(RemoveOp{epoch, keep}, 0));
  const Boundary* grown = impl_->state.find(older);
  if (grown) impl_->note_merge_candidate(*grown);
  impl_->count_small_change(own_map_bytes(grown));
  // The bookmark that is left, or the one whose map took this one in, wants a block of its own too.
  const auto& boundaries = impl_->state.boundaries;
  const auto kept = boundaries.upper_bound(epoch.value);
  if (kept != boundaries.begin())
    impl_->count_small_change(own_map_bytes(&std::prev(kept)->second));
  return {};
}

Status SnapStore::mark_dropping(Epoch epoch) {
  const Boundary* boundary = impl_->state.find(epoch);
  if (!boundary || !boundary->is_live()) return no_such(epoch);
  return impl_->commit(MarkDroppingOp{epoch}, 0);
}

Status SnapStore::set_priority(Epoch epoch, std::int8_t priority) {
  if (!impl_->state.find(epoch)) return no_such(epoch);
  return impl_->commit(SetPriorityOp{epoch, priority});
}

Status SnapStore::set_use_count(Epoch epoch, std::uint32_t use_count) {
  if (!impl_->state.find(epoch)) return no_such(epoch);
  return impl_->commit(SetUseCountOp{epoch, use_count});
}

// ---- attachments ----

Result<std::uint32_t> SnapStore::attach(Attachment attachment) {
  if (impl_->state.attachments.size() >= kMaxAttachments)
    return fail(ErrorCode::kNoSpace, "too many targets are attached");
  attachment.id = impl_->state.next_attachment_id;
  DD_TRY(impl_->commit(AttachOp{attachment}));
  return attachment.id;
}

Status SnapStore::detach(std::uint32_t attachment_id) {
  const auto& all = impl_->state.attachments;
  if (std::ranges::none_of(all, [&](const Attachment& a) { return a.id == attachment_id; }))
    return fail(ErrorCode::kNotFound, fmt::format("no attachment {}", attachment_id));
  return impl_->commit(DetachOp{attachment_id}, 0);
}

const std::vector<Attachment>& SnapStore::attachments() const {
  return impl_->state.attachments;
}

// ---- the write path ----

bool SnapStore::is_granted(ChunkNr chunk) const {
  const Boundary* newest = impl_->state.newest();
  return !newest || newest->change_map().contains(chunk.value);
}

Status SnapStore::prepare_writes(std::span<WriteAsk> asks) {
  DD_CHECK(asks.size() <= max_batch_chunks());
  for (const WriteAsk& ask : asks) DD_TRY(impl_->check_chunk(ask.chunk));
  return impl_->prepare_writes(asks);
}

std::uint32_t SnapStore::max_batch_chunks() const {
  const std::size_t fitting = impl_->batch_buffer.size() >> impl_->layout().chunk_shift;
  return static_cast<std::uint32_t>(std::min<std::size_t>(fitting, kMaxBatchChunks));
}

Result<std::vector<SlotNr>> SnapStore::prepare_snapshot_writes(Epoch snapshot,
                                                               std::span<const ChunkNr> chunks) {
  DD_CHECK(chunks.size() <= max_batch_chunks());
  Boundary* boundary = impl_->state.find(snapshot);
  if (!boundary || !boundary->is_live()) return no_such(snapshot);
  for (const ChunkNr chunk : chunks) DD_TRY(impl_->check_chunk(chunk));
  return impl_->prepare_snapshot_writes(*boundary, chunks);
}

CheckPiece SnapStore::check_piece(const CheckCursor& from) {
  return impl_->check_piece(from);
}

// ---- room and background ----

std::uint64_t SnapStore::slots_freed_by_removing(Epoch epoch) const {
  const Boundary* boundary = impl_->state.find(epoch);
  return boundary ? impl_->state.slots_freed_by_removing(*boundary) : 0;
}

std::uint64_t SnapStore::slots_held_by(Epoch epoch) const {
  const Boundary* boundary = impl_->state.find(epoch);
  return boundary ? boundary->slots_held() : 0;
}

StoreRoom SnapStore::room() const {
  const std::uint64_t kept = impl_->blocks_kept_free();
  const std::uint64_t free = impl_->blocks.free_count();
  return {.slots_free = impl_->slots.free_count(),
          .slots_total = impl_->facts.slots_total,
          .metadata_blocks_free = free - std::min(free, kept),
          .metadata_blocks_total = impl_->blocks.unit_count()};
}

bool SnapStore::is_metadata_short() const {
  return impl_->is_metadata_short();
}
bool SnapStore::has_background_work() const {
  return impl_->has_background_work();
}
Status SnapStore::background_step() {
  return impl_->background_step();
}

Status SnapStore::seal() {
  if (impl_->failed) return {};
  return impl_->journal.seal();
}

Status SnapStore::close_cleanly() {
  if (impl_->failed) return std::unexpected(*impl_->failed);
  return impl_->checkpoint();
}

}  // namespace ddsnap
