// Who in this host uses a file or a block device, by what the kernel tells: mounts, swap, devices
// stacked on it, loop devices over it.
//
// Shape     A block device is asked for by opening it exclusively, which fails while it, one of its
//           partitions or a device above it is mounted or claimed. What does not claim is looked
//           up: loop devices (of files and devices) and swap files.
// Errors    None: what cannot be looked at is taken for unused.
// Threads   Plain function.
#pragma once

#include <string>

namespace ddsnap {

// What uses it, for a message ("mounted, swap, or part of another device"); empty: nothing does.
std::string user_of_device(const std::string& path);

}  // namespace ddsnap
