#include "server/system_probe.h"

#include <fmt/format.h>

#include <filesystem>

#include "ddsnap/io/ownership_lock.h"

namespace ddsnap {

namespace {

bool is_lock_held(const FileDevice& device, std::uint32_t attachment_id) {
  const auto held = OwnershipLock::is_held_elsewhere(
      device.fd(), LockBytes::attachment(attachment_id), LockMode::kExclusive, device.name());
  return held.value_or(true);
}

bool is_mapped_device_there(std::uint64_t device) {
  std::error_code error;
  const bool is_there = std::filesystem::exists(
      fmt::format("/sys/dev/block/{}:{}", device >> 32, device & 0xffffffff), error);
  return is_there || error;
}

}  // namespace

bool SystemProbe::is_gone(const Attachment& attachment) {
  if (!boot_id_.is_nil() && !attachment.boot_id.is_nil() && attachment.boot_id != boot_id_)
    return true;
  if (attachment.is_kernel) return !is_mapped_device_there(attachment.dm_device_or_pid);
  return !is_lock_held(origin_, attachment.id) && !is_lock_held(snapstore_, attachment.id);
}

}  // namespace ddsnap
