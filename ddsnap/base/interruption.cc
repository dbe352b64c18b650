#include "ddsnap/base/interruption.h"

#include <poll.h>

#include <cerrno>
#include <ctime>

#include "ddsnap/base/stop_signals.h"

namespace ddsnap {

namespace {

std::unexpected<Error> interrupted() {
  return fail(ErrorCode::kInterrupted, "interrupted");
}

}  // namespace

Result<Interruption> Interruption::by_signals() {
  return Interruption(DD_TRY(block_stop_signals()));
}

// The signal stays in the descriptor, so everybody who asks sees it.
bool Interruption::is_requested() const {
  if (!fd_) return false;
  pollfd asked{.fd = fd_.get(), .events = POLLIN, .revents = 0};
  return ::poll(&asked, 1, 0) > 0;
}

Status Interruption::check() const {
  if (is_requested()) return interrupted();
  return {};
}

Status Interruption::wait_readable(int fd) const {
  for (;;) {
    pollfd both[2] = {{.fd = fd_.get(), .events = POLLIN, .revents = 0},
                      {.fd = fd, .events = POLLIN, .revents = 0}};
    const int ready = ::poll(both, 2, -1);
    if (ready < 0 && errno != EINTR) return fail_errno("cannot wait for", "input");
    if (ready < 0) continue;
    if (both[0].revents != 0) return interrupted();
    return {};
  }
}

Status Interruption::pause(std::uint64_t duration_ns) const {
  constexpr std::uint64_t kSecond_ns = 1'000'000'000;
  const timespec duration{.tv_sec = static_cast<time_t>(duration_ns / kSecond_ns),
                          .tv_nsec = static_cast<long>(duration_ns % kSecond_ns)};
  pollfd asked{.fd = fd_.get(), .events = POLLIN, .revents = 0};
  if (::ppoll(&asked, 1, &duration, nullptr) > 0) return interrupted();
  return {};
}

}  // namespace ddsnap
