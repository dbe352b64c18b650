#include "ddsnap/target/parking.h"

#include <cerrno>

namespace ddsnap {

Parking::Stay::Stay(const Parking& parking)
    : parking_(parking),
      failures_at_start_(parking.failures_),
      deadline_(parking.options_.timeout_ms ? Deadline::after_ms(*parking.options_.timeout_ms)
                                            : Deadline::never()) {}

Status Parking::Stay::check(std::unique_lock<std::mutex>& lock) const {
  if (parking_.is_closed_ || parking_.failures_ != failures_at_start_)
    return fail_errno("gave up waiting for", "the server", EIO);
  if (deadline_.has_passed()) return fail_errno("waited too long for", "the server", ETIMEDOUT);
  if (!parking_.options_.should_give_up) return {};
  lock.unlock();
  const bool gives_up = parking_.options_.should_give_up();
  lock.lock();
  if (gives_up) return fail_errno("gave up waiting for", "the server", EIO);
  return {};
}

}  // namespace ddsnap
