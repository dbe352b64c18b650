#include "ddsnap/replica/retention.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <optional>
#include <tuple>

namespace ddsnap {

namespace {

using std::chrono::days;
using std::chrono::floor;
using std::chrono::seconds;
using std::chrono::sys_seconds;
using std::chrono::year_month_day;

constexpr std::string_view kTagPrefix = "auto-";
constexpr std::int64_t kHour_s = 3600;
// The week begins on Monday; 1970 began on a Thursday.
constexpr std::int64_t kDaysFromMonday = 3;

std::int64_t floor_div(std::int64_t value, std::int64_t by) {
  return value / by - (value % by < 0 ? 1 : 0);
}

// The number of the period that the instant is in.
std::int64_t period_of(const RetentionRule& rule, std::int64_t at_s) {
  const auto day = floor<days>(sys_seconds(seconds(at_s)));
  const year_month_day date(day);
  const std::int64_t year = static_cast<int>(date.year());
  switch (rule.period) {
    case RetentionRule::Period::kSeconds:
      return floor_div(at_s, rule.period_s);
    case RetentionRule::Period::kHour:
      return floor_div(at_s, kHour_s);
    case RetentionRule::Period::kDay:
      return day.time_since_epoch().count();
    case RetentionRule::Period::kWeek:
      return floor_div(day.time_since_epoch().count() + kDaysFromMonday, 7);
    case RetentionRule::Period::kMonth:
      return year * 12 + static_cast<unsigned>(date.month());
    case RetentionRule::Period::kYear:
      return year;
  }
  return 0;
}

// Longer periods have higher ones; those of an administrator are 0 unless he says otherwise.
std::int8_t priority_of(const RetentionRule& rule) {
  return static_cast<std::int8_t>(10 * static_cast<int>(rule.period));
}

// In the order of their periods' lengths.
auto length_of(const RetentionRule& rule) {
  return std::tuple(rule.period, rule.period_s);
}

struct Made {
  std::int64_t at_s;
  RetentionVerdict verdict;
};

std::vector<Made> made_by_rotation(std::span<const std::string> tags) {
  std::vector<Made> made;
  for (const std::string& tag : tags)
    if (const auto at_s = rotation_time_s(tag))
      made.push_back({*at_s, {.tag = tag, .reason = "no rule keeps it"}});
  std::ranges::sort(made, [](const Made& a, const Made& b) {
    return std::tie(b.at_s, b.verdict.tag) < std::tie(a.at_s, a.verdict.tag);
  });
  return made;
}

// Requires: rules come from the shortest to the longest, so that the last reason is the weightiest.
void apply_rule(const RetentionRule& rule, std::span<Made> made) {
  std::optional<std::int64_t> last_period;
  std::uint32_t periods = 0;
  for (Made& snapshot : made) {
    const std::int64_t period = period_of(rule, snapshot.at_s);
    if (period == last_period) continue;
    if (periods == rule.keep) return;
    last_period = period;
    ++periods;
    snapshot.verdict.is_kept = true;
    snapshot.verdict.priority = priority_of(rule);
    snapshot.verdict.reason = fmt::format("{} {} of {}", rule.name, periods, rule.keep);
  }
}

std::vector<RetentionRule> shortest_first(std::span<const RetentionRule> rules) {
  std::vector<RetentionRule> sorted(rules.begin(), rules.end());
  std::erase_if(sorted, [](const RetentionRule& rule) { return rule.keep == 0; });
  std::ranges::sort(sorted, {}, length_of);
  return sorted;
}

}  // namespace

std::string rotation_tag(std::int64_t now_s) {
  return fmt::format("{}{:%Y%m%dT%H%M%SZ}", kTagPrefix,
                     fmt::gmtime(static_cast<std::time_t>(now_s)));
}

Result<std::int64_t> rotation_time_s(std::string_view tag) {
  int year = 0, used = 0;
  unsigned month = 0, day = 0, hour = 0, minute = 0, second = 0;
  const std::string text(tag);
  if (text.starts_with(kTagPrefix) &&
      std::sscanf(text.c_str() + kTagPrefix.size(), "%4d%2u%2uT%2u%2u%2uZ%n", &year, &month, &day,
                  &hour, &minute, &second, &used) == 6) {
    const year_month_day date{std::chrono::year(year), std::chrono::month(month),
                              std::chrono::day(day)};
    if (date.ok()) {
      const std::int64_t at_s =
          std::chrono::sys_days(date).time_since_epoch().count() * 24 * kHour_s + hour * kHour_s +
          minute * 60 + second;
      if (rotation_tag(at_s) == tag)
        return at_s;  // nothing before, within or behind that we do not write
    }
  }
  return fail(ErrorCode::kNotFound, fmt::format("'{}' is no snapshot of rotation", tag));
}

std::vector<RetentionVerdict> judge_retention(std::span<const std::string> tags,
                                              std::span<const RetentionRule> rules) {
  std::vector<Made> made = made_by_rotation(tags);
  if (!made.empty()) {
    made.front().verdict.is_kept = true;
    made.front().verdict.reason = "the newest";
  }
  for (const RetentionRule& rule : shortest_first(rules)) apply_rule(rule, made);
  std::vector<RetentionVerdict> verdicts;
  for (Made& snapshot : made) verdicts.push_back(std::move(snapshot.verdict));
  return verdicts;
}

bool is_rotation_due(std::span<const std::string> tags, std::span<const RetentionRule> rules,
                     std::int64_t now_s) {
  const std::vector<RetentionRule> sorted = shortest_first(rules);
  if (sorted.empty()) return false;
  const std::vector<Made> made = made_by_rotation(tags);
  return made.empty() ||
         period_of(sorted.front(), made.front().at_s) != period_of(sorted.front(), now_s);
}

}  // namespace ddsnap
