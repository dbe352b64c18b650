// "Fail the Nth I/O until none fires" (S10): of the snapstore and of the origin, once and for ever,
// under both policies, with a byte comparison of every snapshot that can still be read, before and
// after a restart.
#include <fmt/format.h>

#include "tests/support/failing_devices.h"

namespace ddsnap::test {
namespace {

struct Sweep {
  bool is_snapstore;
  bool is_forever;
  OnStoreFailure policy;
};

class FailTheNth : public FailingDevices, public ::testing::WithParamInterface<Sweep> {
 protected:
  void work() {
    for (const char* tag : {"0", "1", "2"}) {
      const SessionId client = world_.connect();
      world_.send(client, world_.create_message(tag));
      world_.run();
      if (world_.has_message(origin_.session)) {
        world_.send(origin_.session,
                    BarrierAckMessage{world_.take<BarrierMessage>(origin_.session).number});
        world_.run();
        world_.take<ReleaseMessage>(origin_.session);
      }
      if (world_.inbox[client].front().header.type == MsgType::kOk) snapshots_[tag] = image_;
      for (std::uint32_t chunk = 0; chunk < 6; ++chunk) (void)overwrite(chunk * 3 + tag[0] % 3);
      while (world_.store->has_background_work() && world_.store->background_step()) {
      }
      (void)world_.store->close_cleanly();
    }
  }
  void compare(const char* when) {
    SCOPED_TRACE(when);
    for (const auto& [tag, image] : snapshots_) {
      const auto facts = world_.store->find(tag);
      ASSERT_TRUE(facts) << tag;
      if (facts->kind != BoundaryKind::kLive || facts->is_dropping) {
        EXPECT_EQ(GetParam().policy, OnStoreFailure::kOriginGoesOn) << tag << " was given up";
        continue;
      }
      if (world_.store->failed()) continue;  // nobody can attach
      const std::uint32_t lost = unreadable_chunks(tag);
      EXPECT_LE(lost, GetParam().is_snapstore ? 0u : 1u) << tag;
    }
  }
};

TEST_P(FailTheNth, EverySnapshotIsRightOrRefused) {
  const Sweep& sweep = GetParam();
  FaultDevice& faulty = sweep.is_snapstore ? world_.faulty_snapstore : world_.faulty_origin;
  const CowBytes empty_store = world_.snapstore.content();
  for (std::uint64_t n = 0;; ++n) {
    SCOPED_TRACE(fmt::format("operation {}", n));
    world_.faulty_snapstore.heal();
    world_.faulty_origin.heal();
    world_.volume.reset();
    world_.store.reset();
    world_.snapstore.set_content(empty_store);
    snapshots_.clear();
    world_.restart();
    origin_ = world_.come_back(origin_);
    set_policy(sweep.policy);
    const std::uint64_t fired_before = faulty.fired();
    faulty.inject({.after = n, .is_forever = sweep.is_forever});
    work();
    const bool has_fired = faulty.fired() != fired_before;
    world_.faulty_snapstore.heal();
    world_.faulty_origin.heal();
    compare("before the restart");
    restart(true);
    compare("after the restart");
    if (HasFailure() || !has_fired) break;
    ASSERT_LT(n, 1000u);
  }
}

INSTANTIATE_TEST_SUITE_P(Sweeps, FailTheNth,
                         ::testing::Values(Sweep{true, false, OnStoreFailure::kOriginGoesOn},
                                           Sweep{true, true, OnStoreFailure::kOriginGoesOn},
                                           Sweep{true, false, OnStoreFailure::kOriginStops},
                                           Sweep{true, true, OnStoreFailure::kOriginStops},
                                           Sweep{false, false, OnStoreFailure::kOriginGoesOn},
                                           Sweep{false, true, OnStoreFailure::kOriginGoesOn},
                                           Sweep{false, false, OnStoreFailure::kOriginStops},
                                           Sweep{false, true, OnStoreFailure::kOriginStops}),
                         [](const auto& info) {
                           return fmt::format(
                               "{}{}{}", info.param.is_snapstore ? "Snapstore" : "Origin",
                               info.param.is_forever ? "ForEver" : "Once",
                               info.param.policy == OnStoreFailure::kOriginGoesOn ? "GoesOn"
                                                                                  : "Stops");
                         });

}  // namespace
}  // namespace ddsnap::test
