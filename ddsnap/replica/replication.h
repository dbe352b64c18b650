// One run of a volume's replication: what came in is applied, what is due goes out.
//
// Units     Seconds since 1970, UTC; the clock is given.
// Shape     The inbox first, so that what came in goes on to the next host in the same run; then
//           each target that is due: its period has passed, or its last try failed. Where the
//           volume takes its own snapshots, one is taken when nothing new is there to send. What a
//           part fails with is noted in its state and does not keep the others from their turn.
// Errors    run(): the first of them.
// Durable   The state is stored after each part.
// Threads   One. Requires: the lock of the job is held, SIGPIPE is ignored.
// Lifetime  Borrows everything for its life.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "ddsnap/base/work_context.h"
#include "ddsnap/replica/job_config.h"
#include "ddsnap/replica/job_state.h"
#include "ddsnap/replica/upstream.h"

namespace ddsnap {

class Replication {
 public:
  struct How {
    std::int64_t now_s = 0;
    std::string only_target = {};                       // due, whatever its period says
    std::function<void(const std::string&)> tell = {};  // each deed, a line
  };
  Replication(const JobConfig& config, How how, JobState& state, WorkContext& context)
      : config_(config), how_(std::move(how)), state_(state), context_(context) {}

  Status run();

 private:
  bool is_due(const TargetConfig& target) const;
  Status run_inbox();
  Status run_targets();
  Status serve(const TargetConfig& target, const Upstream& upstream,
               const std::vector<HeldSnapshot>& ours);
  Status serve_by_files(const TargetConfig& target, TargetProgress& progress,
                        const Upstream& upstream, const std::vector<HeldSnapshot>& ours,
                        const HeldSnapshot& to);
  Result<std::vector<HeldSnapshot>> snapshots_to_send(const Upstream& upstream,
                                                      const std::vector<const TargetConfig*>& due);
  Status drop_what_nobody_keeps(const Upstream& upstream);
  Status note(JobProgress& progress, Status status, const std::string& part);

  const JobConfig& config_;
  const How how_;
  JobState& state_;
  WorkContext& context_;
};

}  // namespace ddsnap
