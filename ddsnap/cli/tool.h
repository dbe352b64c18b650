// Other programs that an attachment is made of: nbdkit, nbdfuse, losetup, dmsetup, mount.
//
// Shape     Words are handed on as they are; no shell reads them. What a program says is kept in
//           memory, so that a daemon which it leaves behind holds no pipe of ours.
// Errors    kNotFound when there is no such program, kFailed with its last line on stderr.
// Threads   None inside.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "ddsnap/base/result.h"

namespace ddsnap {

// Waits for its end; its stdout, without the last newline.
Result<std::string> run_tool(const std::vector<std::string>& words);
// Leaves it running, in a session of its own, its stderr in the file.
Result<pid_t> start_tool(const std::vector<std::string>& words, const std::string& log_path);
bool has_tool(const std::string& name);

}  // namespace ddsnap
