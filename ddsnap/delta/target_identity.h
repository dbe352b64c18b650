// Under which name what was applied is remembered: of the target itself, not of a path to it.
//
// Shape     A file is its file system, inode and time of birth (inodes are used again); a loop
//           device is the file below it; a device-mapper device its uuid; another block device its
//           number and size; any other name (a URI) is itself, hashed. The size of a file is no
//           part of it, so that a volume that grows keeps its record.
// Errors    None: what cannot be looked at is a name.
// Threads   Plain function.
#pragma once

#include <string>

namespace ddsnap {

// Letters, digits, '-' and '_' only: good as a file name.
std::string target_identity(const std::string& device_name);

}  // namespace ddsnap
