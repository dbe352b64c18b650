#include "ddsnap/cli/owned_target.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>

#include "ddsnap/base/unique_fd.h"
#include "ddsnap/io/file_device.h"
#include "ddsnap/io/nbd_device.h"
#include "ddsnap/io/open_device.h"
#include "ddsnap/target/open_ddsnap_device.h"

namespace ddsnap {

namespace {

bool is_path(const std::string& name) {
  return !name.starts_with(kDdsnapScheme) && !is_nbd_uri(name);
}

// An exclusive open of a block device fails while it is mounted or part of another one. Only asked:
// device-mapper's own claim on the device must stay possible, so nothing is held.
Status check_unused(const std::string& path) {
  const UniqueFd probe(::open(path.c_str(), O_RDONLY | O_EXCL | O_NONBLOCK | O_CLOEXEC));
  if (probe || errno != EBUSY) return {};
  return fail(ErrorCode::kBusy,
              fmt::format("{}: in use (mounted, swap, or part of another device); unmount it, or "
                          "--force",
                          path));
}

}  // namespace

Result<OwnedTarget> OwnedTarget::open(const std::string& name, bool is_forced) {
  if (!is_path(name)) {
    auto device = DD_TRY(open_any_device(name, DeviceAccess::kReadWrite));
    return OwnedTarget(std::move(device), OwnershipLock());
  }
  auto device = DD_TRY(FileDevice::open(name, {.access = DeviceAccess::kReadWrite}));
  if (device->is_block_device() && !is_forced) DD_TRY(check_unused(name));
  OwnershipLock lock =
      DD_TRY(OwnershipLock::take(device->fd(), LockBytes::all(), LockMode::kExclusive, name));
  return OwnedTarget(std::move(device), std::move(lock));
}

}  // namespace ddsnap
