// epoll, level-triggered: which of many descriptors wants attention.
//
// Shape     Each descriptor carries a number of the caller's. interest 0 still tells of a hang-up.
// Errors    As the system says. remove() is silent: closing the descriptor does the same.
// Threads   One thread.
#pragma once

#include <sys/epoll.h>

#include <cstdint>
#include <span>
#include <vector>

#include "ddsnap/base/result.h"
#include "ddsnap/base/unique_fd.h"

namespace ddsnap {

class Poller {
 public:
  struct Event {
    std::uint64_t token = 0;
    std::uint32_t events = 0;  // EPOLLIN, EPOLLOUT, EPOLLHUP, EPOLLERR
  };

  static Result<Poller> make();
  Status add(int fd, std::uint64_t token, std::uint32_t interest);
  Status change(int fd, std::uint64_t token, std::uint32_t interest);
  void remove(int fd);
  // Waits up to so long; -1: until something happens.
  Result<std::vector<Event>> wait(int timeout_ms);

 private:
  explicit Poller(UniqueFd fd) : fd_(std::move(fd)) {}
  Status control(int operation, int fd, std::uint64_t token, std::uint32_t interest);

  UniqueFd fd_;
};

}  // namespace ddsnap
