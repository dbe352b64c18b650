// What a schedule wants done, step by step, from lists of snapshots: what is due, what goes and
// why, what replication still needs, and what is nobody's to touch.
#include "ddsnap/replica/rotation.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace ddsnap {
namespace {

constexpr std::int64_t kHour_s = 3600;
constexpr std::int64_t kStart_s = 1'800'000'000 / kHour_s * kHour_s;

Uuid uuid_of(int number) {
  SeededRandom random(static_cast<std::uint64_t>(number));
  return Uuid::make(random);
}

// One an hour, oldest first; the newest is of hour `count` - 1.
std::vector<HeldSnapshot> hourly(int count) {
  std::vector<HeldSnapshot> all;
  for (int i = 0; i < count; ++i)
    all.push_back({.uuid = uuid_of(i), .tag = rotation_tag(kStart_s + i * kHour_s)});
  return all;
}

JobConfig keep_hourly(std::uint32_t keep) {
  JobConfig config;
  config.keep = {{.name = "hourly", .period = RetentionRule::Period::kHour, .keep = keep}};
  return config;
}

const RotationStep* step_of(const std::vector<RotationStep>& steps, const std::string& tag) {
  const auto found = std::ranges::find(steps, tag, &RotationStep::tag);
  return found == steps.end() ? nullptr : &*found;
}

using Kind = RotationStep::Kind;

TEST(Rotation, TakesWhatIsDueAndDropsWhatNoRuleKeeps) {
  const auto held = hourly(3);
  const auto steps = plan_rotation(held, keep_hourly(2), {}, kStart_s + 3 * kHour_s);
  ASSERT_FALSE(steps.empty());
  EXPECT_EQ(steps.front().kind, Kind::kTake);
  EXPECT_EQ(step_of(steps, held[0].tag)->kind, Kind::kDelete);
  EXPECT_EQ(step_of(steps, held[1].tag)->kind, Kind::kDelete);
  EXPECT_EQ(step_of(steps, held[2].tag)->kind, Kind::kSetPriority);
  EXPECT_EQ(text_of(*step_of(steps, held[0].tag), true),
            "would delete " + held[0].tag + ": no rule keeps it");
}

TEST(Rotation, TakesNothingWhereSnapshotsComeFromUpstream) {
  JobConfig config = keep_hourly(2);
  config.takes_snapshots = false;
  for (const RotationStep& step : plan_rotation(hourly(3), config, {}, kStart_s + 9 * kHour_s))
    EXPECT_NE(step.kind, Kind::kTake);
}

TEST(Rotation, WhatATargetGoesOnFromStaysAsABookmarkForAsLongAsItIsNeeded) {
  auto held = hourly(3);
  JobState state;
  state.targets["office"].sent = held[0].uuid;
  const auto steps = plan_rotation(held, keep_hourly(1), state, kStart_s + 2 * kHour_s);
  const RotationStep* const base = step_of(steps, held[0].tag);
  EXPECT_EQ(base->kind, Kind::kBookmark);
  EXPECT_NE(base->reason.find("target 'office' goes on from it"), std::string::npos);

  held[0].has_data = false;
  EXPECT_EQ(
      step_of(plan_rotation(held, keep_hourly(1), state, kStart_s + 2 * kHour_s), held[0].tag),
      nullptr);
  state.targets["office"].sent = held[2].uuid;
  EXPECT_EQ(step_of(plan_rotation(held, keep_hourly(1), state, kStart_s + 2 * kHour_s), held[0].tag)
                ->kind,
            Kind::kDelete);
}

TEST(Rotation, WhatIsInUseOrMadeByHandIsLeftAlone) {
  auto held = hourly(3);
  held[0].is_in_use = true;
  held.insert(held.begin(), {.uuid = uuid_of(77), .tag = "by-hand"});
  const auto steps = plan_rotation(held, keep_hourly(1), {}, kStart_s + 2 * kHour_s);
  EXPECT_EQ(step_of(steps, "by-hand"), nullptr);
  const RotationStep* const used = step_of(steps, held[1].tag);
  EXPECT_EQ(used->kind, Kind::kKeep);
  EXPECT_TRUE(used->reason.ends_with("in use"));
}

}  // namespace
}  // namespace ddsnap
