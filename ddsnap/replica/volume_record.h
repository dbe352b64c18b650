// What is remembered of the streams that a volume receives: only the apply journal. What it holds,
// its server knows.
//
// Durable   The end of an apply is not: the record names it as under way until the snapshot was
//           made, and forget() says so. So a crash between the two is one more interrupted apply.
// Threads   None inside.
#pragma once

#include "ddsnap/delta/apply_state.h"

namespace ddsnap {

class VolumeRecord final : public ApplyState {
 public:
  // Named by the volume's store, whatever its socket is called today.
  static Result<VolumeRecord> open(const Uuid& store_uuid);

  const std::optional<ApplyWindow>& window() const { return window_; }
  // The snapshot that the volume was proven to hold, but for what the window says.
  void set_base(const Uuid& uuid) { base_ = uuid; }
  Status forget();

  Result<TargetState> load() override;
  using ApplyState::store;
  Status store(const TargetState& state, const std::function<Status()>& last_condition) override;

 private:
  explicit VolumeRecord(FileApplyState file) : file_(std::move(file)) {}

  FileApplyState file_;
  std::optional<ApplyWindow> window_;
  Uuid base_;
};

}  // namespace ddsnap
