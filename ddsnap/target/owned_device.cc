#include "ddsnap/target/owned_device.h"

#include "ddsnap/io/file_device.h"
#include "ddsnap/io/ownership_lock.h"
#include "ddsnap/wire/device_identity.h"

namespace ddsnap {

struct OwnedDevice::Parts {
  std::unique_ptr<FileDevice> device;
  OwnershipLock lock;  // borrows the device's descriptor
  std::uint32_t attachment_id = 0;
};

OwnedDevice::OwnedDevice(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
OwnedDevice::~OwnedDevice() = default;

Result<std::unique_ptr<OwnedDevice>> OwnedDevice::open(const std::string& path, bool is_direct,
                                                       Access access, IoEngineKind engine) {
  FileOptions options;
  options.access = access == Access::kWrite ? DeviceAccess::kReadWrite : DeviceAccess::kReadOnly;
  options.caching = is_direct ? FileOptions::Caching::kDirect : FileOptions::Caching::kBuffered;
  options.engine = engine;
  auto parts = std::make_unique<Parts>();
  parts->device = DD_TRY(FileDevice::open(path, options));
  return std::unique_ptr<OwnedDevice>(new OwnedDevice(std::move(parts)));
}

BlockDevice& OwnedDevice::device() {
  return *parts_->device;
}

Status OwnedDevice::own(std::uint32_t attachment_id) {
  if (parts_->lock && parts_->attachment_id == attachment_id) return {};
  // The new byte is taken before the old one goes, so writes in flight are covered throughout.
  OwnershipLock lock =
      DD_TRY(OwnershipLock::take(parts_->device->fd(), LockBytes::attachment(attachment_id),
                                 LockMode::kExclusive, parts_->device->name()));
  parts_->lock = std::move(lock);
  parts_->attachment_id = attachment_id;
  return {};
}

Status check_told_device(const DeviceId& ours, const std::string& told_path) {
  if (ours.kind == DeviceId::Kind::kNone) return {};
  const auto told = identify_device(told_path);
  if (!told || *told == ours) return {};
  return fail(ErrorCode::kUsage,
              told_path + ": the server works with this device, and it is not the one given here");
}

}  // namespace ddsnap
