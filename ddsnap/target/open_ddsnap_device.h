// Opens whatever a device name means, those of this layer included (DESIGN section 4):
// "ddsnap:SERVER-SOCKET" is the origin, "ddsnap:SERVER-SOCKET#TAG" a snapshot.
//
// Errors    kUsage for a name without socket or with a tag that is none, kNotFound for a tag that
// the server does not know; a server that is not there is an error here, not a wait.
// Threads   A plain function.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "ddsnap/io/block_device.h"
#include "ddsnap/io/device_access.h"

namespace ddsnap {

// Requires: the name starts with "ddsnap:".
Result<std::unique_ptr<BlockDevice>> open_ddsnap_device(std::string_view name);

// As open_device(), and "ddsnap:" names too.
Result<std::unique_ptr<BlockDevice>> open_any_device(std::string_view name, DeviceAccess access);

}  // namespace ddsnap
