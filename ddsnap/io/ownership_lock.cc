#include "ddsnap/io/ownership_lock.h"

#include <fcntl.h>

#include <cerrno>
#include <chrono>
#include <thread>

namespace ddsnap {

namespace {

constexpr std::chrono::milliseconds kLastWritesOfAnother{5000};
constexpr std::chrono::milliseconds kLockPause{20};

struct flock describe(LockBytes bytes, short type) {
  struct flock lock{};  // l_pid is 0, as OFD locks want it
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = static_cast<off_t>(kOwnershipOffset + bytes.first);
  lock.l_len = static_cast<off_t>(bytes.count);
  return lock;
}

short type_of(LockMode mode) {
  return mode == LockMode::kExclusive ? F_WRLCK : F_RDLCK;
}

}  // namespace

Result<OwnershipLock> OwnershipLock::take(int fd, LockBytes bytes, LockMode mode,
                                          const std::string& name) {
  struct flock lock = describe(bytes, type_of(mode));
  if (::fcntl(fd, F_OFD_SETLK, &lock) == 0) return OwnershipLock(fd, bytes);
  if (errno == EAGAIN || errno == EACCES)
    return fail(ErrorCode::kBusy, name + " is in use by another ddsnap process");
  return fail_errno("cannot lock", name);
}

Result<OwnershipLock> OwnershipLock::take_patiently(int fd, LockBytes bytes, LockMode mode,
                                                    const std::string& name) {
  const auto end = std::chrono::steady_clock::now() + kLastWritesOfAnother;
  while (true) {
    auto lock = take(fd, bytes, mode, name);
    if (lock || lock.error().code != ErrorCode::kBusy || std::chrono::steady_clock::now() >= end)
      return lock;
    std::this_thread::sleep_for(kLockPause);
  }
}

Result<bool> OwnershipLock::is_held_elsewhere(int fd, LockBytes bytes, LockMode mode,
                                              const std::string& name) {
  struct flock lock = describe(bytes, type_of(mode));
  if (::fcntl(fd, F_OFD_GETLK, &lock) != 0) return fail_errno("cannot ask for locks on", name);
  return lock.l_type != F_UNLCK;
}

OwnershipLock& OwnershipLock::operator=(OwnershipLock&& other) noexcept {
  if (this != &other) {
    release();
    fd_ = std::exchange(other.fd_, -1);
    bytes_ = other.bytes_;
  }
  return *this;
}

void OwnershipLock::release() {
  if (fd_ < 0) return;
  struct flock lock = describe(bytes_, F_UNLCK);
  // Fails only for a descriptor that is closed, and then the lock is gone with it.
  (void)::fcntl(std::exchange(fd_, -1), F_OFD_SETLK, &lock);
}

}  // namespace ddsnap
