// One target that is sent to directly, in a session with a listener (session_sender.h): over TCP,
// or through ssh.
//
// Shape     What the other side has decides what is sent, so nothing has to be remembered here but
//           for status and rotation. Where the changes cannot be sent, all is compared by hash, if
//           the configuration wants that. Then the next slice of the copy is audited.
// Errors    As replicate_over(); kDamaged where the audit found a difference.
// Threads   One; those of the session inside.
#pragma once

#include <functional>
#include <string>

#include "ddsnap/base/work_context.h"
#include "ddsnap/replica/held_snapshot.h"
#include "ddsnap/replica/job_config.h"
#include "ddsnap/replica/job_state.h"

namespace ddsnap {

// Brings the snapshot there, and notes it; `tell` hears why all had to be compared. Requires:
// SIGPIPE is ignored.
Status send_by_wire(const std::string& server, const TargetConfig& target, const HeldSnapshot& to,
                    TargetProgress& progress, const std::function<void(const std::string&)>& tell,
                    WorkContext& context);

}  // namespace ddsnap
