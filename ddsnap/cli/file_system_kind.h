// Which file system lies on a device, as far as mounting it read-only asks for options of its own.
//
// Source    The superblocks' magic numbers: Linux's include/uapi/linux/magic.h and fs/xfs.
// Threads   Plain functions.
#pragma once

#include <string>

#include "ddsnap/base/result.h"

namespace ddsnap {

// "ext4" (also for ext2 and ext3), "xfs" or "btrfs"; empty: another one, or none.
Result<std::string> file_system_kind(const std::string& device);

// For mount -o. Read-only, nothing is replayed: the device takes no writes. XFS would refuse the
// second mount of what it takes for one and the same file system.
std::string mount_options(const std::string& kind, bool is_writable);

}  // namespace ddsnap
