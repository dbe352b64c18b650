// Who owns a device: an OFD lock on single bytes, far beyond any content, of the device's own open
// file description (S8).
//
// Units     Lock bytes, counted from kOwnershipOffset (2^62). Byte 0 is the server's, byte n the
//           attachment's with id n. A writer of the whole device (apply-delta) takes them all.
// Shape     The lock belongs to the open file description that carries the writes, so it is
//           released only when the last write of a killed process is done. Take it on
//           FileDevice::fd(), never on a descriptor opened for the purpose. Exclusive locks want a
//           descriptor open for writing, shared ones for reading.
//           The lock follows the inode of the *node* by which the device was opened: /dev/sda and
//           a symbolic link to it meet, /dev/sda and another node made by mknod do not, nor does
//           another host that shares the disk. Whoever guards a device opens it by the node that
//           udev made. It is advisory: dd takes no notice.
// Errors    take(): kBusy when another description holds a lock in the way, else as fcntl() says.
//           take_patiently(): the same, but a holder gets some seconds to go: the last writes of
//           a killed process outlive it, and its lock with them (S8, timeline 5).
// Threads   A plain value; the kernel serialises.
// Lifetime  Borrows the descriptor for its whole life. Destroy it only when no write is in flight.
// Source    fcntl(2), "Open file description locks".
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "ddsnap/base/result.h"

namespace ddsnap {

inline constexpr std::uint64_t kOwnershipOffset = std::uint64_t{1} << 62;

struct LockBytes {
  std::uint64_t first = 0;
  std::uint64_t count = 1;

  static constexpr LockBytes server() { return {0, 1}; }
  // Requires: attachment_id >= 1.
  static constexpr LockBytes attachment(std::uint32_t attachment_id) { return {attachment_id, 1}; }
  static constexpr LockBytes all() { return {0, std::uint64_t{1} << 32}; }
};

enum class LockMode { kShared, kExclusive };

class OwnershipLock {
 public:
  // `name` is the device's, for the message.
  static Result<OwnershipLock> take(int fd, LockBytes bytes, LockMode mode,
                                    const std::string& name);
  // Blocks; not for an event loop.
  static Result<OwnershipLock> take_patiently(int fd, LockBytes bytes, LockMode mode,
                                              const std::string& name);
  // Whether take() would find the lock held by another description. Nothing is locked on the way,
  // so nobody else's take() fails because of it.
  static Result<bool> is_held_elsewhere(int fd, LockBytes bytes, LockMode mode,
                                        const std::string& name);

  OwnershipLock() = default;  // holds nothing
  OwnershipLock(OwnershipLock&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), bytes_(other.bytes_) {}
  OwnershipLock& operator=(OwnershipLock&& other) noexcept;
  OwnershipLock(const OwnershipLock&) = delete;
  OwnershipLock& operator=(const OwnershipLock&) = delete;
  ~OwnershipLock() { release(); }

  explicit operator bool() const { return fd_ >= 0; }
  void release();

 private:
  OwnershipLock(int fd, LockBytes bytes) : fd_(fd), bytes_(bytes) {}

  int fd_ = -1;
  LockBytes bytes_;
};

}  // namespace ddsnap
