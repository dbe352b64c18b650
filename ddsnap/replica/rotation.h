// What a volume's schedule wants done now: the snapshot that is due, and what becomes of each that
// is there.
//
// Units     Seconds since 1970, UTC.
// Shape     Snapshots that rotation or replication made (their tags say so) go when no rule keeps
//           them; one that replication goes on from stays as a bookmark, which costs no room and is
//           enough for the next delta; such bookmarks go when nobody needs them any more. All
//           others are left alone. Priorities follow the rules, so that a full store gives up the
//           cheapest first.
// Threads   plan_rotation() is a plain function; the others ask the server, one by one.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ddsnap/base/interruption.h"
#include "ddsnap/base/result.h"
#include "ddsnap/replica/held_snapshot.h"
#include "ddsnap/replica/job_config.h"
#include "ddsnap/replica/job_state.h"

namespace ddsnap {

struct RotationStep {
  enum class Kind : std::uint8_t { kTake, kKeep, kSetPriority, kDelete, kBookmark };
  Kind kind = Kind::kKeep;
  std::string tag;
  std::string reason;
  std::int8_t priority = 0;  // kSetPriority
};

// When it was made: its tag says it, if rotation made it.
std::int64_t made_s(const HeldSnapshot& snapshot);

// In the order in which they are to be done.
std::vector<RotationStep> plan_rotation(const std::vector<HeldSnapshot>& held,
                                        const JobConfig& config, const JobState& state,
                                        std::int64_t now_s);
// One line: "deletes auto-...: no rule keeps it".
std::string text_of(const RotationStep& step, bool is_dry_run);
Status do_step(const RotationStep& step, const JobConfig& config, std::int64_t now_s,
               const Interruption& interruption);

// A snapshot with the tag of rotation, and the administrator's commands around it. Two at the same
// second are one.
Status take_job_snapshot(const JobConfig& config, std::int64_t now_s,
                         const Interruption& interruption);

}  // namespace ddsnap
