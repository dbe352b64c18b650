// What a process does that lies in the write-out path of a volume it serves (T9): its memory is
// locked, and the kernel is told that it may not wait for write-out when it allocates.
//
// Shape     Call it before any thread or ring is made: both settings are inherited by those.
// Errors    Best effort: what could not be had comes back as sentences for the log. Memory is only
//           locked where that cannot make a later allocation fail (no RLIMIT_MEMLOCK in the way).
// Threads   Call once, from the only thread.
#pragma once

#include <string>
#include <vector>

namespace ddsnap {

std::vector<std::string> enter_write_out_path();

}  // namespace ddsnap
