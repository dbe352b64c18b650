#include "ddsnap/base/rate_limit.h"

#include <algorithm>
#include <chrono>

namespace ddsnap {

namespace {

constexpr std::uint64_t kMadeUpFor_ns = 100'000'000;

std::uint64_t steady_now_ns() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(now).count());
}

}  // namespace

std::uint64_t RateLimit::reserve_ns(std::uint64_t bytes, std::uint64_t now_ns) {
  if (bytes_per_second_ == 0) return 0;
  const std::uint64_t earliest_ns = now_ns > kMadeUpFor_ns ? now_ns - kMadeUpFor_ns : 0;
  // Its first piece finds no idle time before it.
  next_ns_ = next_ns_ == 0 ? now_ns : std::max(next_ns_, earliest_ns);
  const std::uint64_t wait_ns = next_ns_ > now_ns ? next_ns_ - now_ns : 0;
  const double seconds = static_cast<double>(bytes) / static_cast<double>(bytes_per_second_);
  next_ns_ += static_cast<std::uint64_t>(seconds * 1e9);
  return wait_ns;
}

Status RateLimit::take(std::uint64_t bytes, const Interruption& interruption) {
  if (bytes_per_second_ == 0) return {};
  const std::uint64_t wait_ns = reserve_ns(bytes, steady_now_ns());
  return wait_ns == 0 ? interruption.check() : interruption.pause(wait_ns);
}

}  // namespace ddsnap
