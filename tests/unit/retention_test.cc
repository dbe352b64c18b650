// Retention against examples worked out by hand, and a year of hourly rotation against what a
// person would expect to find at its end.
#include "ddsnap/replica/retention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

namespace ddsnap {
namespace {

using Period = RetentionRule::Period;

const std::vector<RetentionRule> kUsual = {
    {.name = "hourly", .period = Period::kHour, .keep = 24},
    {.name = "daily", .period = Period::kDay, .keep = 7},
    {.name = "weekly", .period = Period::kWeek, .keep = 4},
    {.name = "monthly", .period = Period::kMonth, .keep = 12},
};
constexpr std::int64_t kStart_s = 1'767'225'600;  // 2026-01-01, a Thursday

TEST(Retention, TagsAndTimesAreOneToOne) {
  EXPECT_EQ(rotation_tag(1'795'167'000), "auto-20261120T093000Z");
  EXPECT_EQ(rotation_time_s("auto-20261120T093000Z").value(), 1'795'167'000);
  for (const char* tag :
       {"", "0", "auto-", "auto-20261120T093000", "auto-20261120T093000Zx", "auto-20261320T093000Z",
        "auto-20261120T256100Z", "nightly-7", "auto-2026-1-2T093000Z"})
    EXPECT_FALSE(rotation_time_s(tag).has_value()) << tag;
}

TEST(Retention, AYearOfHoursLeavesWhatAPersonWouldExpect) {
  std::vector<std::string> tags = {"by-hand"};
  const std::int64_t end_s = kStart_s + std::int64_t{365} * 24 * 3600;
  for (std::int64_t now_s = kStart_s; now_s < end_s; now_s += 3600) {
    tags.push_back(rotation_tag(now_s + 60));
    for (const RetentionVerdict& verdict : judge_retention(tags, kUsual))
      if (!verdict.is_kept) std::erase(tags, verdict.tag);
  }
  std::map<int, int> count_of_priority;
  for (const RetentionVerdict& verdict : judge_retention(tags, kUsual))
    ++count_of_priority[verdict.priority];
  // The newest is an hourly, daily, weekly and monthly one; the last of a week or month may be a
  // daily one too.
  EXPECT_EQ(count_of_priority[40], 12);
  EXPECT_EQ(count_of_priority[10], 23);
  EXPECT_GE(count_of_priority[20] + count_of_priority[30], 7);
  EXPECT_LE(tags.size(), 1u + 24 + 7 + 4 + 12);
  EXPECT_FALSE(is_rotation_due(tags, kUsual, end_s - 1));
  EXPECT_TRUE(is_rotation_due(tags, kUsual, end_s));
  EXPECT_EQ(std::ranges::count(tags, "by-hand"), 1);
  EXPECT_EQ(std::ranges::count(tags, "auto-20260131T230100Z"), 1);  // the last hour of January
}

TEST(Retention, MissedPeriodsDoNotCount) {
  // A machine that was off for a month keeps what it has: the rule counts periods that have a
  // snapshot.
  const std::vector<RetentionRule> rules = {{.name = "daily", .period = Period::kDay, .keep = 2}};
  const std::vector<std::string> tags = {rotation_tag(kStart_s), rotation_tag(kStart_s + 86'400),
                                         rotation_tag(kStart_s + std::int64_t{40} * 86'400)};
  const auto verdicts = judge_retention(tags, rules);
  ASSERT_EQ(verdicts.size(), 3u);
  EXPECT_EQ(verdicts[0].reason, "daily 1 of 2");
  EXPECT_EQ(verdicts[1].reason, "daily 2 of 2");
  EXPECT_FALSE(verdicts[2].is_kept);
  EXPECT_EQ(verdicts[2].reason, "no rule keeps it");
}

TEST(Retention, CustomPeriodsAreTheCheapest) {
  const std::vector<RetentionRule> rules = {
      {.name = "hourly", .period = Period::kHour, .keep = 1},
      {.name = "every 15m", .period = Period::kSeconds, .period_s = 900, .keep = 3}};
  std::vector<std::string> tags;
  for (int i = 0; i < 5; ++i) tags.push_back(rotation_tag(kStart_s + i * 900));
  const auto verdicts = judge_retention(tags, rules);
  EXPECT_EQ(verdicts[0].reason, "hourly 1 of 1");
  EXPECT_EQ(verdicts[1].reason, "every 15m 2 of 3");
  EXPECT_LT(verdicts[1].priority, verdicts[0].priority);
  EXPECT_FALSE(verdicts[3].is_kept);
  EXPECT_FALSE(is_rotation_due(tags, rules, kStart_s + 4 * 900 + 899));
  EXPECT_TRUE(is_rotation_due(tags, rules, kStart_s + 5 * 900));
}

TEST(Retention, TheNewestStaysWhateverTheRulesSay) {
  const std::vector<std::string> tags = {rotation_tag(kStart_s), rotation_tag(kStart_s + 1)};
  const auto verdicts = judge_retention(tags, {});
  EXPECT_TRUE(verdicts[0].is_kept);
  EXPECT_FALSE(verdicts[1].is_kept);
  EXPECT_FALSE(is_rotation_due(tags, {}, kStart_s + 1'000'000));
}

}  // namespace
}  // namespace ddsnap
