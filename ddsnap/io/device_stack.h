// Which block devices stand on which: whether a file's file system, or a swap area, lies on the
// origin (T9, timeline 17).
//
// Shape     Follows device-mapper and md slaves, partitions, and loop devices with the file systems
//           below their files, in /sys/dev/block, and btrfs through the device that it was mounted
//           by. Other file systems with an anonymous device (overlay, network) tell nothing and
//           pass.
// Errors    What cannot be told counts as "not on it".
// Threads   Plain functions.
#pragma once

#include <sys/types.h>

#include <string>

#include "ddsnap/base/result.h"

namespace ddsnap {

// A file or a block device, as fstat() tells it.
struct StackBottom {
  bool is_block_device = false;
  dev_t device = 0;  // the block device itself, or the file's file system
  ino_t inode = 0;   // files only
};
Result<StackBottom> stack_bottom_of(int fd, const std::string& name);

// Whether a block device is `bottom`, or stands on it.
bool stands_on(dev_t block_device, const StackBottom& bottom);

// kUsage when `path` (which need not exist yet) lies on a file system on `bottom`; `what` names its
// role. An empty path and an abstract socket ('@') lie nowhere.
Status refuse_path_on(const std::string& path, const char* what, const StackBottom& bottom);
struct SwapSources {
  std::string swaps = "/proc/swaps";
  std::string mounts = "/proc/self/mountinfo";
};
// The path of a swap device or swap file of this host that lies on `bottom`; empty: there is none.
// No file system is asked.
std::string find_swap_on(const StackBottom& bottom, const SwapSources& sources = {});
// kUsage when a swap area of this host lies on `bottom`.
Status refuse_swap_on(const StackBottom& bottom);

}  // namespace ddsnap
