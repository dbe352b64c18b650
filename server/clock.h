// The loop's clock.
//
// Threads   A plain function.
#pragma once

#include <chrono>

#include "server/now.h"

namespace ddsnap {

inline Now read_clock() {
  using std::chrono::duration_cast;
  using std::chrono::nanoseconds;
  const auto ns_of = [](auto time) {
    return static_cast<std::uint64_t>(duration_cast<nanoseconds>(time.time_since_epoch()).count());
  };
  return {.steady_ns = ns_of(std::chrono::steady_clock::now()),
          .wall_ns = ns_of(std::chrono::system_clock::now())};
}

}  // namespace ddsnap
