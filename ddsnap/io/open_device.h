// Opens whatever a name means: a path, or an NBD URI.
//
// Errors    kUsage for "ddsnap:..." names: those are opened one layer up, by the target library,
//           which asks here for everything else. Otherwise as FileDevice::open() and
//           NbdDevice::open().
// Shape     What is opened to be read alone leaves the page cache as it found it.
// Threads   A plain function. What it opens is used by one thread at a time (see FileDevice).
#pragma once

#include <memory>
#include <string_view>

#include "ddsnap/io/block_device.h"
#include "ddsnap/io/device_access.h"

namespace ddsnap {

inline constexpr std::string_view kDdsnapScheme = "ddsnap:";

Result<std::unique_ptr<BlockDevice>> open_device(std::string_view name, DeviceAccess access);

}  // namespace ddsnap
