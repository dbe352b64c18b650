// What the jobs of a volume remember from one run to the next, and what `ddsnap status` tells of
// them.
//
// Units     Seconds since 1970, UTC; 0: never.
// Shape     state.json in the volume's state folder. JOBS.md names its fields.
// Durable   save() replaces the file as a whole.
// Errors    load(): kDamaged for a file that is no such state; one that is not there is empty.
// Threads   Plain values. Written under the lock of the job alone (job_lock.h).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "ddsnap/base/result.h"
#include "ddsnap/base/uuid.h"

namespace ddsnap {

struct JobProgress {
  std::int64_t last_try_s = 0;
  std::int64_t last_success_s = 0;
  std::string last_error;  // of the last try; empty: it went well
};

struct TargetProgress : JobProgress {
  std::uint64_t sequence = 0;  // of the last delta
  Uuid sent;          // the last snapshot that is on its way or there: the next delta's base
  Uuid acknowledged;  // the newest that is known to be there
  std::string acknowledged_tag;
  std::uint64_t audit_part = 0;          // of the volume, that the next session compares
  std::int64_t acknowledged_made_s = 0;  // when that snapshot was made: so old is the copy
};

struct JobState {
  std::map<std::string, TargetProgress> targets;  // by label
  JobProgress inbox;
  Uuid received;  // the newest that came in

  // What must stay as a snapshot or bookmark, so that the targets can go on.
  std::vector<Uuid> bases() const;
  // What target goes on from it; empty: none.
  std::string user_of(const Uuid& base) const;

  static Result<JobState> load(const std::string& state_folder);
  Status save(const std::string& state_folder) const;
};

std::string encode_job_state(const JobState& state);
Result<JobState> decode_job_state(const std::string& text);

}  // namespace ddsnap
