#include "ddsnap/replica/owned_target.h"

#include <fmt/format.h>

#include "ddsnap/io/file_device.h"
#include "ddsnap/io/nbd_device.h"
#include "ddsnap/io/open_device.h"
#include "ddsnap/replica/device_users.h"
#include "ddsnap/target/open_ddsnap_device.h"

namespace ddsnap {

namespace {

bool is_path(const std::string& name) {
  return !name.starts_with(kDdsnapScheme) && !is_nbd_uri(name);
}

// The page cache is left alone where that is possible: what is written is not read again soon. What
// it holds already is compared there.
Result<std::unique_ptr<FileDevice>> open_file(const std::string& name, DeviceAccess access) {
  FileOptions options{.access = access,
                      .caching = FileOptions::Caching::kDirect,
                      .reads_cached = true,
                      .keeps_sparse = true};
  auto direct = FileDevice::open(name, options);
  if (direct || direct.error().code != ErrorCode::kUsage) return direct;
  options.caching = FileOptions::Caching::kAuto;
  return FileDevice::open(name, options);
}

Status check_unused(const std::string& path) {
  const std::string user = user_of_device(path);
  if (user.empty()) return {};
  return fail(ErrorCode::kBusy,
              fmt::format("{}: in use ({}); take it out of use, or --force", path, user));
}

}  // namespace

Result<OwnedTarget> OwnedTarget::open(const std::string& name, const How& how) {
  const auto access = how.is_read_only ? DeviceAccess::kReadOnly : DeviceAccess::kReadWrite;
  if (!is_path(name)) {
    auto device = DD_TRY(open_any_device(name, access));
    return OwnedTarget(std::move(device), OwnershipLock());
  }
  auto device = DD_TRY(open_file(name, access));
  if (!how.is_forced) DD_TRY(check_unused(name));
  if (how.is_read_only) return OwnedTarget(std::move(device), OwnershipLock());
  OwnershipLock lock = DD_TRY(
      OwnershipLock::take_patiently(device->fd(), LockBytes::all(), LockMode::kExclusive, name));
  // What was written before we owned it is compared in the page cache, and a rerun after a power
  // cut counts on it (D3).
  DD_TRY(device->flush());
  return OwnedTarget(std::move(device), std::move(lock));
}

}  // namespace ddsnap
