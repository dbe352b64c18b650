// The apply journal on other storage under the same power supply as the simulated disks: replaced
// as a whole or not at all. Each store is one more operation, at which the power may go before or
// after it took effect.
//
// Threads   As the SimWorld.
#pragma once

#include "tests/support/delta_world.h"
#include "tests/support/sim_device.h"

namespace ddsnap::test {

class CrashingApplyState final : public ApplyState {
 public:
  CrashingApplyState(SimWorld& world, TargetState state)
      : world_(world), state_(std::move(state)) {}
  Result<TargetState> load() override { return state_; }
  using ApplyState::store;
  Status store(const TargetState& state, const std::function<Status()>& last_condition) override {
    const bool is_cut = stores_++ == cut_at_;
    TargetState again = as_loaded(state);
    DD_TRY(last_condition());
    if (world_.crashed() || (is_cut && !lands_)) return cut();
    state_ = std::move(again);
    if (forgets_) state_.window.reset();
    if (is_cut) return cut();
    return {};
  }

  SimWorld& world_;
  int stores_ = 0;
  int cut_at_ = -1;
  bool lands_ = false;
  bool forgets_ = false;
  TargetState state_;

 private:
  Status cut() {
    world_.crash_now();
    return fail(ErrorCode::kIo, "the power is gone");
  }
};

}  // namespace ddsnap::test
