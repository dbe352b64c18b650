// Whether somebody wants the work under way to end: Ctrl-C, SIGTERM, a test.
//
// Shape     A descriptor that is readable from that moment on, so that it can be waited for beside
//           others. By default nothing ever interrupts.
// Errors    kInterrupted, which unwinds the work as any error does: what is half written goes away.
// Threads   All but the constructors is safe from several threads.
#pragma once

#include <cstdint>

#include "ddsnap/base/result.h"
#include "ddsnap/base/unique_fd.h"

namespace ddsnap {

class Interruption {
 public:
  Interruption() = default;
  // Interrupted as soon as the descriptor is readable.
  explicit Interruption(UniqueFd fd) : fd_(std::move(fd)) {}
  // SIGINT, SIGTERM and SIGHUP interrupt instead of killing. Requires: no thread was made yet.
  static Result<Interruption> by_signals();

  bool is_requested() const;
  // For poll(2): readable from that moment on; -1 where nothing ever interrupts.
  int fd() const { return fd_.get(); }
  Status check() const;
  // Waits until something can be read from `fd`, its end included.
  Status wait_readable(int fd) const;
  Status pause(std::uint64_t duration_ns) const;

 private:
  UniqueFd fd_;
};

}  // namespace ddsnap
