// Whether a device is opened for writing too.
#pragma once

#include <cstdint>

namespace ddsnap {

enum class DeviceAccess : std::uint8_t { kReadOnly, kReadWrite };

}  // namespace ddsnap
