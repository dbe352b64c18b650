// Which lines of /etc/fstab mount a device: what would go past ddsnap at the next boot, or wait for
// a device that is gone.
//
// Errors    None: a file that cannot be read has no lines.
// Threads   Plain function.
// Source    fstab(5).
#pragma once

#include <string>
#include <vector>

#include "ddsnap/cli/device_content.h"

namespace ddsnap {

struct FstabLine {
  int number = 0;  // 1 is the first
  std::string device;
  std::string mount_point;
};

// By its path, one that leads to the same device, or the UUID or label of what lies on it.
std::vector<FstabLine> fstab_lines_of(const std::string& device, const DeviceContent& content,
                                      const std::string& fstab = "/etc/fstab");

}  // namespace ddsnap
