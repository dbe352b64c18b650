#include "server/system_probe.h"

#include <fmt/format.h>

#include <filesystem>

#include "ddsnap/io/device_stack.h"
#include "ddsnap/io/ownership_lock.h"

namespace ddsnap {

namespace {

bool is_lock_held(const FileDevice& device, std::uint32_t attachment_id) {
  const auto held = OwnershipLock::is_held_elsewhere(
      device.fd(), LockBytes::attachment(attachment_id), LockMode::kExclusive, device.name());
  return held.value_or(true);
}

// Absent from a directory that is there: where sysfs cannot be seen, nothing is proven.
bool is_missing_from(const std::string& directory, const std::string& name) {
  std::error_code error;
  if (!std::filesystem::is_directory(directory, error) || error) return false;
  const bool is_there = std::filesystem::exists(directory + "/" + name, error);
  return !is_there && !error;
}

}  // namespace

bool SystemProbe::is_kernel_target_gone(const Attachment& attachment) const {
  const std::uint64_t device = attachment.dm_device_or_pid;
  // An older module makes no directory: then only the device can tell.
  return is_missing_from(sysfs_ + "/dev/block",
                         fmt::format("{}:{}", device >> 32, device & 0xffffffff)) ||
         is_missing_from(sysfs_ + "/kernel/ddsnap", attachment.target_uuid.to_string());
}

bool SystemProbe::is_gone(const Attachment& attachment) {
  if (!boot_id_.is_nil() && !attachment.boot_id.is_nil() && attachment.boot_id != boot_id_)
    return true;
  if (attachment.is_kernel) return is_kernel_target_gone(attachment);
  return !is_lock_held(origin_, attachment.id) && !is_lock_held(snapstore_, attachment.id);
}

std::string SystemProbe::swap_on_origin() {
  const auto bottom = stack_bottom_of(origin_.fd(), origin_.name());
  return bottom ? find_swap_on(*bottom) : std::string{};
}

}  // namespace ddsnap
