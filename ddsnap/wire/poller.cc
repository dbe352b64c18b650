#include "ddsnap/wire/poller.h"

#include <array>
#include <cerrno>

namespace ddsnap {

namespace {

constexpr int kMaxEvents = 256;

}  // namespace

Result<Poller> Poller::make() {
  UniqueFd fd(::epoll_create1(EPOLL_CLOEXEC));
  if (!fd) return fail_errno("cannot make", "an epoll instance");
  return Poller(std::move(fd));
}

Status Poller::control(int operation, int fd, std::uint64_t token, std::uint32_t interest) {
  epoll_event event{};
  event.events = interest;
  event.data.u64 = token;
  if (::epoll_ctl(fd_.get(), operation, fd, &event) != 0)
    return fail_errno("cannot poll", "a descriptor");
  return {};
}

Status Poller::add(int fd, std::uint64_t token, std::uint32_t interest) {
  return control(EPOLL_CTL_ADD, fd, token, interest);
}

Status Poller::change(int fd, std::uint64_t token, std::uint32_t interest) {
  return control(EPOLL_CTL_MOD, fd, token, interest);
}

void Poller::remove(int fd) {
  (void)control(EPOLL_CTL_DEL, fd, 0, 0);
}

Result<std::vector<Poller::Event>> Poller::wait(int timeout_ms) {
  std::array<epoll_event, kMaxEvents> ready;
  const int count = ::epoll_wait(fd_.get(), ready.data(), kMaxEvents, timeout_ms);
  if (count < 0 && errno == EINTR) return std::vector<Event>{};
  if (count < 0) return fail_errno("cannot wait for", "events");
  std::vector<Event> events;
  for (int i = 0; i < count; ++i) events.push_back({ready[i].data.u64, ready[i].events});
  return events;
}

}  // namespace ddsnap
