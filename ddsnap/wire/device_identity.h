// How a device is named on the wire: by what the kernel knows of it, not by its path, so that two
// sides with different paths to one device agree (and a file replaced by another is another).
//
// Errors    kNotFound, kIo; kUsage for what is neither a block device nor a regular file.
#pragma once

#include <string>

#include "ddsnap/base/result.h"
#include "ddsnap/wire/messages.h"

namespace ddsnap {

Result<DeviceId> identify_device(const std::string& path);
Result<DeviceId> identify_device(int fd, const std::string& name);
Result<DevicePair> identify_pair(const std::string& snapstore_path, const std::string& origin_path);

// Of this boot of this machine; nil where the kernel does not say.
Uuid this_boot_id();

}  // namespace ddsnap
