// A point in time by which something must have happened, or never; for waits that are made of
// several calls.
//
// Units     Milliseconds of the monotonic clock.
// Threads   A plain value.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>

namespace ddsnap {

class Deadline {
 public:
  using Clock = std::chrono::steady_clock;

  static Deadline never() { return {}; }
  static Deadline after_ms(std::uint64_t timeout_ms) {
    Deadline deadline;
    deadline.end_ = Clock::now() + std::chrono::milliseconds(timeout_ms);
    return deadline;
  }

  bool has_passed() const { return end_ && Clock::now() >= *end_; }
  // For poll(2): -1 for never, else what is left, rounded up.
  int poll_timeout_ms() const {
    if (!end_) return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*end_ - Clock::now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, 1'000'000'000));
  }

 private:
  std::optional<Clock::time_point> end_;
};

}  // namespace ddsnap
