// Stepping down, and what is kept of it (S10).
#include "server/store/snap_store_impl.h"

namespace ddsnap {

const StepDown& SnapStore::step_down() const {
  return impl_->state.step_down;
}
const std::optional<Error>& SnapStore::slots_failed() const {
  return impl_->slots_failed;
}
const std::optional<std::string>& SnapStore::complaint() const {
  return impl_->complaint;
}
const StoreSettings& SnapStore::settings() const {
  return impl_->state.settings;
}
const std::optional<std::uint64_t>& SnapStore::origin_digest() const {
  return impl_->state.origin_digest;
}

StepDown make_step_down(Rung rung, const std::string& why) {
  return {.rung = rung, .why = why.substr(0, kMaxStepDownTextBytes)};
}

Status SnapStore::step_down_to(Rung rung, const std::string& why) {
  DD_CHECK(rung > step_down().rung && rung < Rung::kClosed);
  DD_TRY(impl_->commit(StepDownOp{make_step_down(rung, why)}, 0));
  impl_->count_checkpoint_need();
  return {};
}

namespace {

// First only that the store is closed: what lands although its flush fails must not say that
// writers went on, for then they did not.
Status write_closed_mark(BlockDevice& device, Superblock marked, bool goes_on) {
  ++marked.sequence;
  marked.closed = ClosedMark::kOriginStopped;
  DD_TRY(write_any_superblock_copy(device, marked));
  if (!goes_on) return {};
  ++marked.sequence;
  marked.closed = ClosedMark::kOriginWentOn;
  return write_any_superblock_copy(device, marked);
}

}  // namespace

// Whether or not the mark can be written, this object serves no snapshot any more where writers go
// on: what it does not know to be changed may be.
Status SnapStore::close_for_good(const std::string& why) {
  DD_CHECK(impl_->failed.has_value());
  State& state = impl_->state;
  const bool goes_on = state.settings.on_failure == OnStoreFailure::kOriginGoesOn;
  state.step_down = make_step_down(Rung::kClosed, why);
  if (goes_on) {
    state.give_up_all();
    if (Boundary* newest = state.newest()) newest->is_map_incomplete = true;
  }
  Superblock marked = impl_->superblock;
  marked.closed_why = state.step_down.why;
  if (write_closed_mark(impl_->metadata, marked, goes_on)) return {};
  if (!impl_->is_split) return std::unexpected(*impl_->failed);
  return write_closed_mark(impl_->snapstore, data_superblock(marked), goes_on);
}

Status close_unopened_store(const StoreDevices& devices, const std::string& why) {
  BlockDevice& metadata = devices.metadata ? *devices.metadata : devices.snapstore;
  Superblock marked = DD_TRY(read_superblock(metadata, StoreRole::kMetadata))
  .superblock;
  ++marked.sequence;
  marked.closed = ClosedMark::kOriginWentOn;
  marked.closed_why = make_step_down(Rung::kClosed, why).why;
  return write_any_superblock_copy(metadata, marked);
}

Status SnapStore::set_settings(const StoreSettings& settings) {
  if (settings == impl_->state.settings) return {};
  return impl_->commit(SetSettingsOp{settings});
}

Status SnapStore::lose_track() {
  const Boundary* newest = impl_->state.newest();
  if (!newest || newest->is_map_incomplete) return {};
  return impl_->commit(LoseTrackOp{newest->epoch}, 0);
}

bool SnapStore::is_track_lost() const {
  for (const auto& [epoch, boundary] : impl_->state.boundaries)
    if (boundary.is_map_incomplete) return true;
  return false;
}

Status SnapStore::seal_origin(std::uint64_t digest) {
  return impl_->commit(SealOriginOp{digest});
}

// What recovery found stays: only what may have changed unseen is given up.
void SnapStore::Impl::resume() {
  if (superblock.closed == ClosedMark::kOriginWentOn) {
    state.give_up_all();
    if (Boundary* newest = state.newest()) newest->is_map_incomplete = true;
  }
  superblock.closed = ClosedMark::kNone;
  superblock.closed_why.clear();
  state.step_down = {};
}

}  // namespace ddsnap
