// Which of the snapshots that rotation made are kept, which go, and why.
//
// Units     Seconds since 1970, UTC: a change of the local clock neither doubles an hour nor leaves
//           one out.
// Shape     A rule keeps the newest snapshot of each of its last `keep` periods that have one. A
//           snapshot is kept when any rule keeps it, and its priority is that of the longest such
//           rule: a full store gives up hourly ones first. So one snapshot may be an hourly, a
//           daily and a monthly one.
// Threads   Plain functions.
// Source    The policy of `restic forget` and `borg prune`.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ddsnap/base/result.h"

namespace ddsnap {

struct RetentionRule {
  enum class Period : std::uint8_t { kSeconds, kHour, kDay, kWeek, kMonth, kYear };

  std::string name;  // "hourly", "every 15m"
  Period period = Period::kHour;
  std::uint32_t period_s = 0;  // of kSeconds
  std::uint32_t keep = 0;
};

// Snapshots of rotation are known by their tags: auto-20261120T093000Z.
std::string rotation_tag(std::int64_t now_s);
// kNotFound for a tag that rotation never made.
Result<std::int64_t> rotation_time_s(std::string_view tag);

struct RetentionVerdict {
  std::string tag;
  bool is_kept = false;
  std::int8_t priority = 0;
  std::string reason;  // "daily 3 of 7", "no rule keeps it"
};

// Newest first. Tags that rotation did not make are passed over: they are nobody's to drop. The
// newest one is kept whatever the rules say.
std::vector<RetentionVerdict> judge_retention(std::span<const std::string> tags,
                                              std::span<const RetentionRule> rules);

// Whether a snapshot is due at now_s: the shortest rule's present period has none yet.
bool is_rotation_due(std::span<const std::string> tags, std::span<const RetentionRule> rules,
                     std::int64_t now_s);

}  // namespace ddsnap
