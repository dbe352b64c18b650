// One target that is sent to directly, in a session with `ddsnap listen` there (REPLICA.md).
//
// Shape     After the snapshot is there, the next of the volume's parts is compared with its copy
// by
//           hash, so that within `audit` cycles all of it was.
// Errors    kFailed where the copy no longer holds what the changes start from; kDamaged, with the
//           first range, where the audit finds a difference; as the session says.
// Threads   One; those of replicate_over() inside.
#pragma once

#include <string>

#include "ddsnap/base/work_context.h"
#include "ddsnap/replica/held_snapshot.h"
#include "ddsnap/replica/job_config.h"
#include "ddsnap/replica/job_state.h"

namespace ddsnap {

// Brings the newest snapshot `to` of the server's volume there, and notes it. Requires: SIGPIPE is
// ignored.
Status send_by_tcp(const TargetConfig& target, const std::string& server, const HeldSnapshot& to,
                   TargetProgress& progress, WorkContext& context);

}  // namespace ddsnap
