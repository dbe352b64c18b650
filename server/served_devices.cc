#include "server/served_devices.h"

#include "ddsnap/wire/device_identity.h"

namespace ddsnap {

namespace {

Status check_distinct(const DevicePaths& paths) {
  const DeviceId snapstore = DD_TRY(identify_device(paths.snapstore));
  const DeviceId origin = DD_TRY(identify_device(paths.origin));
  if (snapstore == origin)
    return fail(ErrorCode::kUsage, "snapstore and origin are the same: " + paths.origin);
  if (paths.metadata.empty()) return {};
  const DeviceId metadata = DD_TRY(identify_device(paths.metadata));
  if (metadata == snapstore)
    return fail(ErrorCode::kUsage, "metadata and snapstore are the same: " + paths.metadata);
  if (metadata == origin)
    return fail(ErrorCode::kUsage, "metadata and origin are the same: " + paths.metadata);
  return {};
}

Result<FileOptions::Caching> choose(const DevicePaths& paths, FileOptions::Caching wanted) {
  if (wanted != FileOptions::Caching::kAuto) return wanted;
  for (const std::string* path : {&paths.snapstore, &paths.origin, &paths.metadata}) {
    if (path->empty()) continue;
    if (DD_TRY(identify_device(*path)).kind == DeviceId::Kind::kBlock)
      return FileOptions::Caching::kDirect;
  }
  return FileOptions::Caching::kBuffered;
}

Result<OwnershipLock> lock(const FileDevice& device) {
  auto taken = OwnershipLock::take_patiently(device.fd(), LockBytes::server(), LockMode::kExclusive,
                                             device.name());
  if (!taken && taken.error().code == ErrorCode::kBusy)
    return fail(ErrorCode::kBusy, device.name() + " is in use by a running server");
  return taken;
}

}  // namespace

Result<std::unique_ptr<ServedDevices>> ServedDevices::open(const DevicePaths& paths,
                                                           FileOptions::Caching caching) {
  DD_TRY(check_distinct(paths));
  const FileOptions::Caching chosen = DD_TRY(choose(paths, caching));
  std::unique_ptr<ServedDevices> devices(new ServedDevices());
  Status opened = devices->open_all(paths, chosen);
  const bool may_fall_back = caching == FileOptions::Caching::kAuto &&
                             chosen == FileOptions::Caching::kDirect && !opened &&
                             opened.error().code == ErrorCode::kUsage;
  if (may_fall_back) opened = devices->open_all(paths, FileOptions::Caching::kBuffered);
  if (!opened) return std::unexpected(opened.error());
  DD_TRY(devices->lock_all());
  return devices;
}

Status ServedDevices::open_all(const DevicePaths& paths, FileOptions::Caching caching) {
  // The origin is only read, but an exclusive lock wants a descriptor that could write.
  const FileOptions options{.access = DeviceAccess::kReadWrite, .caching = caching};
  snapstore_ = DD_TRY(FileDevice::open(paths.snapstore, options));
  origin_ = DD_TRY(FileDevice::open(paths.origin, options));
  if (!paths.metadata.empty()) metadata_ = DD_TRY(FileDevice::open(paths.metadata, options));
  pair_.snapstore = DD_TRY(identify_device(snapstore_->fd(), paths.snapstore));
  pair_.origin = DD_TRY(identify_device(origin_->fd(), paths.origin));
  return {};
}

Status ServedDevices::refresh_sizes() {
  for (FileDevice* device : {snapstore_.get(), origin_.get(), metadata_.get()})
    if (device != nullptr) DD_TRY(device->refresh_size());
  return {};
}

Status ServedDevices::lock_all() {
  snapstore_lock_ = DD_TRY(lock(*snapstore_));
  origin_lock_ = DD_TRY(lock(*origin_));
  if (metadata_) metadata_lock_ = DD_TRY(lock(*metadata_));
  return {};
}

}  // namespace ddsnap
