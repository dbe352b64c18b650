// Keeps work to a number of bytes a second.
//
// Shape     Every piece has its time after the piece before; a short idle time may be made up for,
//           a long one not, so that work which waited does not come in a burst.
// Errors    take(): kInterrupted.
// Threads   None inside; the caller serialises.
#pragma once

#include <cstdint>

#include "ddsnap/base/interruption.h"
#include "ddsnap/base/result.h"

namespace ddsnap {

class RateLimit {
 public:
  RateLimit() = default;  // none
  explicit RateLimit(std::uint64_t bytes_per_second) : bytes_per_second_(bytes_per_second) {}

  // Waits until `bytes` more may be moved.
  Status take(std::uint64_t bytes, const Interruption& interruption);
  // How long `bytes` more have to wait, asked at a time on any steady clock.
  std::uint64_t reserve_ns(std::uint64_t bytes, std::uint64_t now_ns);

 private:
  std::uint64_t bytes_per_second_ = 0;  // 0: no limit
  std::uint64_t next_ns_ = 0;           // when the next piece may go
};

}  // namespace ddsnap
