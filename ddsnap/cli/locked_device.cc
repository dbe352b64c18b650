#include "ddsnap/cli/locked_device.h"

#include <fmt/format.h>

#include "ddsnap/wire/device_identity.h"

namespace ddsnap {

Result<LockedDevice> LockedDevice::open(const std::string& path, DeviceAccess access) {
  LockedDevice locked;
  locked.device = DD_TRY(FileDevice::open(path, {.access = access}));
  const int fd = locked.device->fd();
  auto lock = access == DeviceAccess::kReadOnly
                  ? OwnershipLock::take_patiently(fd, LockBytes::server(), LockMode::kShared, path)
                  : OwnershipLock::take_patiently(fd, LockBytes::all(), LockMode::kExclusive, path);
  if (!lock && lock.error().code == ErrorCode::kBusy)
    return fail(ErrorCode::kBusy,
                path + ": in use; stop its server and targets first, or use 'ddsnap check SERVER'");
  locked.lock = DD_TRY(std::move(lock));
  return locked;
}

Status check_distinct(const FileDevice& one, const FileDevice& other) {
  const DeviceId first = DD_TRY(identify_device(one.fd(), one.name()));
  const DeviceId second = DD_TRY(identify_device(other.fd(), other.name()));
  if (first != second) return {};
  return fail(ErrorCode::kUsage, fmt::format("{} and {} are the same; each role needs its own",
                                             one.name(), other.name()));
}

}  // namespace ddsnap
