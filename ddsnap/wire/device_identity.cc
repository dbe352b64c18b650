#include "ddsnap/wire/device_identity.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <fstream>

namespace ddsnap {
namespace {

std::uint64_t device_number(dev_t device) {
  return std::uint64_t{major(device)} << 32 | minor(device);
}

Result<DeviceId> identify(const struct stat& found, const std::string& name) {
  if (S_ISBLK(found.st_mode))
    return DeviceId{DeviceId::Kind::kBlock, device_number(found.st_rdev), 0};
  if (S_ISREG(found.st_mode))
    return DeviceId{DeviceId::Kind::kFile, device_number(found.st_dev), found.st_ino};
  return fail(ErrorCode::kUsage, name + ": neither a block device nor a file");
}

}  // namespace

Result<DeviceId> identify_device(const std::string& path) {
  struct stat found{};
  if (::stat(path.c_str(), &found) != 0) return fail_errno("cannot look at", path);
  return identify(found, path);
}

Result<DeviceId> identify_device(int fd, const std::string& name) {
  struct stat found{};
  if (::fstat(fd, &found) != 0) return fail_errno("cannot look at", name);
  return identify(found, name);
}

Result<DevicePair> identify_pair(const std::string& snapstore_path,
                                 const std::string& origin_path) {
  const DeviceId snapstore = DD_TRY(identify_device(snapstore_path));
  const DeviceId origin = DD_TRY(identify_device(origin_path));
  return DevicePair{snapstore, origin};
}

Uuid this_boot_id() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string text;
  std::getline(file, text);
  return Uuid::parse(text).value_or(Uuid{});
}

}  // namespace ddsnap
