// How a request waits for a server that is slow or gone, and the three exits that it always has
// (T3): told to fail, asked away by its owner, or out of time.
//
// Errors    kIo with EIO (told or asked to give up) or ETIMEDOUT.
// Threads   Parking is shared by all requests of a target; wait() is called with the target's lock.
// Lifetime  Waits end within a slice of fail_all(): nothing hangs on a dead server.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>

#include "ddsnap/base/result.h"
#include "ddsnap/wire/deadline.h"

namespace ddsnap {

struct ParkingOptions {
  // Asked every slice by the waiting thread itself, without locks: whether its request should fail
  // now. Empty: never.
  std::function<bool()> should_give_up;
  // How long a request may be parked. None: as long as it takes.
  std::optional<std::uint64_t> timeout_ms;
};

class Parking {
 public:
  explicit Parking(ParkingOptions options) : options_(std::move(options)) {}

  // Everything parked now fails.
  void fail_parked() { ++failures_; }
  // And everything that would park from now on.
  void fail_all() { is_closed_ = true; }

  // One stay: made when the request first has to wait, and kept over all its waits.
  class Stay {
   public:
    explicit Stay(const Parking& parking);
    // Until ready() holds. Requires: `lock` is held, as ready() needs it; whoever makes ready()
    // true notifies `changed`.
    template <class Ready>
    Status wait(std::unique_lock<std::mutex>& lock, std::condition_variable& changed,
                Ready ready) const {
      while (!ready()) {
        DD_TRY(check(lock));
        changed.wait_for(lock, kSlice, ready);
      }
      return {};
    }

   private:
    Status check(std::unique_lock<std::mutex>& lock) const;

    const Parking& parking_;
    const std::uint64_t failures_at_start_;
    const Deadline deadline_;
  };

 private:
  static constexpr std::chrono::milliseconds kSlice{50};

  const ParkingOptions options_;
  std::atomic<std::uint64_t> failures_{0};
  std::atomic<bool> is_closed_{false};
};

}  // namespace ddsnap
