// A command of the administrator's, run around a snapshot, by /bin/sh.
//
// Shape     It inherits the environment, and DDSNAP_VOLUME=NAME. Its output is ours.
// Errors    kFailed with its exit status or signal; whoever runs a hook before a snapshot takes
//           none then. kInterrupted.
// Threads   Waits for its end.
#pragma once

#include <string>

#include "ddsnap/base/interruption.h"
#include "ddsnap/base/result.h"

namespace ddsnap {

// `what` names it in messages: "pre". An empty command is none.
Status run_hook(const std::string& what, const std::string& command, const std::string& volume,
                const Interruption& interruption);

}  // namespace ddsnap
