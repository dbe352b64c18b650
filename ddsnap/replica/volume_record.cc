#include "ddsnap/replica/volume_record.h"

namespace ddsnap {

Result<VolumeRecord> VolumeRecord::open(const Uuid& store_uuid) {
  const std::string folder = DD_TRY(default_state_folder());
  VolumeRecord record(FileApplyState(folder + "/store-" + store_uuid.to_string()));
  record.window_ = DD_TRY(record.file_.load())
  .window;
  return record;
}

Status VolumeRecord::forget() {
  if (!window_) return {};
  DD_TRY(file_.store({}));
  window_.reset();
  return {};
}

Result<TargetState> VolumeRecord::load() {
  return TargetState{.snapshot_uuid = base_, .window = window_};
}

Status VolumeRecord::store(const TargetState& state,
                           const std::function<Status()>& last_condition) {
  if (!state.window) return last_condition();
  DD_TRY(file_.store(state, last_condition));
  window_ = state.window;
  window_->saved.clear();  // of no use to anybody who asks window()
  return {};
}

}  // namespace ddsnap
