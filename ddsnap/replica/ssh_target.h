// One target that is sent to directly: a delta into `ssh HOST ddsnap receive REMOTE`, no file in
// between.
//
// Shape     What the other side has is asked for first (`ddsnap list --json`), so nothing has to be
//           remembered here.
// Errors    kFailed where there is no common snapshot any more; as ssh and the program over there
//           say.
// Threads   One; those of write_delta() inside.
#pragma once

#include "ddsnap/base/work_context.h"
#include "ddsnap/replica/job_config.h"
#include "ddsnap/replica/job_state.h"
#include "ddsnap/replica/upstream.h"

namespace ddsnap {

// Brings the newest snapshot `to` there, and notes it. Requires: SIGPIPE is ignored.
Status send_by_ssh(const TargetConfig& target, const Upstream& upstream,
                   const std::vector<HeldSnapshot>& ours, const HeldSnapshot& to,
                   TargetProgress& progress, WorkContext& context);

}  // namespace ddsnap
