// Shows what becomes of a target's record when somebody else wrote the target: where it was put
// back by hand (dd of another snapshot), deltas from what it holds now apply without --force; where
// only a little of it changed, the record's refusals stand, but it proves no base any more.
#include "ddsnap/delta/target_samples.h"

#include <gtest/gtest.h>

#include "tests/support/delta_world.h"

namespace ddsnap::test {
namespace {

constexpr std::size_t kSize = 256 << 10;

void put(MemoryDevice& target, const Bytes& bytes) {
  ASSERT_TRUE(target.write_at(0, bytes));
}

struct Applied {
  Pair first = make_pair_of_volumes(71, kSize, kSize);
  Pair second = next_pair(first, 72);
  Bytes delta01 = first.delta(first.list(), {}, 1);
  Bytes delta12 = second.delta(second.list(), {}, 2);
  std::unique_ptr<MemoryDevice> target = device_of(first.old_bytes, "target");
  MemoryApplyState state;

  Applied() {
    EXPECT_TRUE(apply(delta01, *target, state));
    EXPECT_TRUE(apply(delta12, *target, state));
    EXPECT_GT(state.state_.samples.chunks.size(), 4u);
  }
};

TEST(TargetSamples, TargetThatWasPutBackNeedsNoForce) {
  Applied world;
  put(*world.target, world.first.old_bytes);
  const auto again = apply(world.delta01, *world.target, world.state);
  ASSERT_OK(again);
  EXPECT_TRUE(again->was_replaced);
  EXPECT_TRUE(world.target->content().to_vector() == world.first.new_bytes);
  const auto next = apply(world.delta12, *world.target, world.state);
  ASSERT_OK(next);
  EXPECT_FALSE(next->was_replaced);
}

TEST(TargetSamples, UntouchedTargetIsStillKnown) {
  Applied world;
  const Bytes other01 = world.first.delta(world.first.list(), {}, 9);
  const auto report = apply(other01, *world.target, world.state);
  ASSERT_FALSE(report);
  EXPECT_NE(report.error().text.find("known to hold snapshot"), std::string::npos);
}

TEST(TargetSamples, TouchedTargetProvesNoBaseButIsNotForgotten) {
  Applied world;
  const ChunkNr chunk = world.state.state_.samples.chunks.front().chunk;
  const Bytes scribble(512, std::byte{0x77});
  ASSERT_TRUE(world.target->write_at(std::uint64_t{chunk.value} << 12, scribble));
  EXPECT_EQ(*compare_samples(*world.target, world.state.state_.samples), Remembrance::kTouched);
  // Not from the snapshot that it came from.
  EXPECT_FALSE(apply(world.first.delta(world.first.list(), {}, 9), *world.target, world.state));
  // From the right one, but that it holds that is not proven any more.
  const Pair third = next_pair(world.second, 73);
  Changelist list = third.list();
  list.before.clear();
  const Bytes delta23 = third.delta(list, {.mode = DeltaMode::kRaw}, 3, false);
  const auto report = apply(delta23, *world.target, world.state);
  ASSERT_FALSE(report);
  EXPECT_NE(report.error().text.find("does not know what it starts from"), std::string::npos);
}

TEST(TargetSamples, InterruptedApplyIsNeverForgotten) {
  Applied world;
  put(*world.target, world.first.old_bytes);
  world.state.state_.window = ApplyWindow{.delta_uuid = world.second.to_uuid, .frame_count = 1};
  const auto report = apply(world.delta01, *world.target, world.state);
  ASSERT_FALSE(report);
  EXPECT_NE(report.error().text.find("interrupted"), std::string::npos);
}

}  // namespace
}  // namespace ddsnap::test
