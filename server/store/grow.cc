// Growing: the devices have more room than the store knows of. The origin's new size is one record;
// new slots are there once a checkpoint's superblock names the larger region, and no slot beyond
// the old end is used before (S3). A cut in between leaves the one size or the other.
#include <fmt/format.h>

#include "server/store/snap_store_impl.h"

namespace ddsnap {

namespace {

std::unexpected<Error> too_short(const BlockDevice& device, std::uint64_t needed_bytes) {
  return fail(ErrorCode::kUsage,
              fmt::format("{}: has {} bytes, and {} are in use; shrinking is refused",
                          device.name(), device.size_bytes(), needed_bytes));
}

}  // namespace

Status SnapStore::grow_origin() {
  Impl& store = *impl_;
  if (store.failed) return std::unexpected(*store.failed);
  const std::uint64_t bytes = store.origin.size_bytes();
  if (bytes < store.state.origin_bytes) return too_short(store.origin, store.state.origin_bytes);
  if (bytes == store.state.origin_bytes) return {};
  const ChunkGeometry grown{store.layout().chunk_shift, bytes};
  if (grown.chunk_count() > kMaxChunks)
    return fail(ErrorCode::kUsage,
                fmt::format("{}: would have more than 2^32 chunks", store.origin.name()));
  DD_TRY(store.commit(ResizeOriginOp{bytes}));
  store.facts.geometry = grown;
  return {};
}

std::uint64_t SnapStore::slots_after_growth() const {
  return slots_that_fit(impl_->layout(), impl_->snapstore.size_bytes());
}

Status SnapStore::grow_slots() {
  Impl& store = *impl_;
  if (store.failed) return std::unexpected(*store.failed);
  Layout grown = store.layout();
  grown.slot_count = slots_after_growth();
  if (grown.slot_count < store.layout().slot_count)
    return too_short(store.snapstore, store.layout().end_of_slots_bytes());
  if (grown.slot_count == store.layout().slot_count) return {};
  DD_TRY(store.checkpoint(grown));
  store.slots.grow(grown.slot_count);
  store.facts.slots_total = grown.slot_count;
  // Its copy of the size is for those who look; the next opening writes it in any case.
  if (store.is_split)
    if (const Status told = write_superblock(store.snapstore, data_superblock(store.superblock));
        !told)
      return store.fail_for_good(store.snapstore, told.error());
  return {};
}

}  // namespace ddsnap
