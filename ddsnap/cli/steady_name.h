// A name of a block device that is the same after the next boot, for a configuration: /dev/sdb is
// another disk as soon as one before it is missing.
//
// Shape     What is a symbolic link already, a name below /dev/mapper, or no block device stays as
//           it is. Else the first of udev's links: by the disk's identity, the partition's, the
//           place where it is plugged in.
// Errors    None: without such a link the name stays, and is_steady says no.
// Threads   Plain function.
#pragma once

#include <string>

namespace ddsnap {

struct SteadyName {
  std::string path;
  bool is_steady = true;
};

// `links`: where udev makes its folders of links.
SteadyName steady_name_of(const std::string& path, const std::string& links = "/dev/disk");

}  // namespace ddsnap
