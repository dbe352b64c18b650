// The time of day, for what is shown to people alone.
#pragma once

#include <chrono>
#include <cstdint>

namespace ddsnap {

// Since 1970, UTC.
inline std::uint64_t wall_clock_ns() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(now).count());
}

}  // namespace ddsnap
