// Which connection a message came from or goes to: counted up, never reused, so that the order of
// sessions is the order in which they came.
#pragma once

#include <compare>
#include <cstdint>

namespace ddsnap {

struct SessionId {
  std::uint64_t value = 0;
  friend auto operator<=>(SessionId, SessionId) = default;
};

}  // namespace ddsnap
