#include "ddsnap/io/ownership_lock.h"

#include <fcntl.h>

#include <cerrno>

namespace ddsnap {

namespace {

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
