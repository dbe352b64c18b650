// The time as the loop saw it: the volume has no clock of its own, so that a simulation can replay
// it.
//
// Units     Nanoseconds. steady_ns never jumps and is what deadlines are made of; wall_ns counts
//           from 1970 (UTC) and is only ever shown to people.
#pragma once

#include <cstdint>

namespace ddsnap {

struct Now {
  std::uint64_t steady_ns = 0;
  std::uint64_t wall_ns = 0;
};

inline constexpr std::uint64_t kNsPerMs = 1'000'000;

}  // namespace ddsnap
