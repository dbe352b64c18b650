// What lies on a block device or file, as libblkid knows it: for whoever is about to overwrite it.
//
// Shape     File systems, RAID and volume managers, swap, encryption, partition tables. A snapstore
//           is no such thing; server/store knows it.
// Errors    As the system says of the device. What libblkid cannot make up its mind about counts as
//           something.
// Threads   Plain functions.
// Source    libblkid, which mkfs and wipefs ask too: it has the signatures of a hundred formats.
#pragma once

#include <string>

#include "ddsnap/base/result.h"

namespace ddsnap {

struct DeviceContent {
  std::string kind;   // "ext4", "LVM2_member", "gpt"; empty: nothing that is known
  std::string usage;  // "filesystem", "raid", "crypto", "other", "partitions"
  std::string label;
  std::string uuid;

  // "an ext4 file system, label 'data', UUID ..."
  std::string sentence() const;
};

Result<DeviceContent> content_of_device(const std::string& path);
// Takes all of it away, as wipefs does: nobody finds the old content there any more.
Status wipe_device_content(const std::string& path);

}  // namespace ddsnap
