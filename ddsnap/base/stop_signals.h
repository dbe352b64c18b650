// Signals as something to poll: SIGTERM and SIGINT (stop) and SIGHUP (open the log again) come out
// of a descriptor, SIGPIPE comes not at all.
//
// Threads   Block before any thread is made: threads inherit it.
#pragma once

#include <optional>

#include "ddsnap/base/result.h"
#include "ddsnap/base/unique_fd.h"

namespace ddsnap {

// Blocks them for this thread and its children; the descriptor is non-blocking.
Result<UniqueFd> block_stop_signals();
// The next signal that is there, by number; none: nothing is.
std::optional<int> next_signal(int signal_fd);

}  // namespace ddsnap
