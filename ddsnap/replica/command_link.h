// A listener at the other end of a command, as of "ssh HOST ddsnap listen --stdio NAME=DEV".
//
// Errors    kFailed when /bin/sh cannot be started. What the command says on stderr goes to ours;
// that
//           it failed is seen as a connection that ends.
// Threads   One at a time.
// Lifetime  The end of the link closes the command's input and output and waits for it; one that
//           does not end by itself within seconds is killed.
#pragma once

#include <memory>
#include <string>

#include "ddsnap/replica/byte_link.h"

namespace ddsnap {

Result<std::unique_ptr<ByteLink>> start_command_link(const std::string& command);

}  // namespace ddsnap
