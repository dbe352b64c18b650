#include "ddsnap/cli/volume_check.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <memory>

#include "ddsnap/cli/attachment.h"
#include "ddsnap/cli/fstab.h"
#include "ddsnap/io/device_stack.h"
#include "ddsnap/io/file_device.h"
#include "ddsnap/replica/device_users.h"
#include "ddsnap/replica/server_client.h"
#include "server/store/snap_store.h"

namespace ddsnap {

namespace {

bool is_same_object(const std::string& one, const std::string& other) {
  struct stat first{}, second{};
  if (::stat(one.c_str(), &first) != 0 || ::stat(other.c_str(), &second) != 0) return one == other;
  if (S_ISBLK(first.st_mode)) return S_ISBLK(second.st_mode) && first.st_rdev == second.st_rdev;
  return first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

std::vector<std::string> devices_of(const LocalVolumeConfig& local) {
  std::vector<std::string> devices = {local.origin, local.snapstore};
  if (!local.metadata.empty()) devices.push_back(local.metadata);
  return devices;
}

Status check_exists(const std::string& path) {
  struct stat facts{};
  if (::stat(path.c_str(), &facts) != 0) return fail_errno("cannot open", path);
  if (S_ISBLK(facts.st_mode) || S_ISREG(facts.st_mode)) return {};
  return fail(ErrorCode::kUsage, path + ": neither a block device nor a file");
}

// No two of its own devices are one, and none is another volume's.
Status check_not_taken(const VolumeWish& wish) {
  const std::vector<std::string> ours = devices_of(wish.local);
  for (std::size_t i = 0; i < ours.size(); ++i)
    for (std::size_t k = i + 1; k < ours.size(); ++k)
      if (is_same_object(ours[i], ours[k]))
        return fail(ErrorCode::kUsage, fmt::format("{} and {} are the same", ours[i], ours[k]));
  const auto names = config_names(wish.config_folder);
  for (const std::string& name : names.value_or(std::vector<std::string>{})) {
    const auto other = load_job_config(wish.config_folder, name);
    if (name == wish.name)
      return fail(ErrorCode::kExists, fmt::format("{}/{}.conf is there already; 'ddsnap volume "
                                                  "remove {}' takes that volume away",
                                                  wish.config_folder, name, name));
    if (!other || other->local.origin.empty()) continue;
    for (const std::string& theirs : devices_of(other->local))
      for (const std::string& path : ours)
        if (is_same_object(path, theirs))
          return fail(ErrorCode::kExists, fmt::format("{}: belongs to volume {}", path, name));
  }
  return {};
}

Status check_name_is_free(const VolumeWish& wish) {
  DD_TRY(check_volume_name(wish.name));
  std::error_code error;
  const std::string device = "/dev/mapper/" + wish.name;
  if (std::filesystem::exists(device, error))
    return fail(ErrorCode::kExists, device + " is there already; choose another name");
  return {};
}

// After the next boot the raw device would be mounted, past ddsnap.
Status check_origin_fstab(const VolumeWish& wish, const DeviceContent& content) {
  const auto lines = fstab_lines_of(wish.local.origin, content, wish.fstab);
  if (lines.empty() || wish.is_forced) return {};
  const FstabLine& line = lines.front();
  return fail(ErrorCode::kUsage,
              fmt::format("{}: line {} of {} mounts it as {} at {}, past ddsnap; write "
                          "/dev/mapper/{} there first",
                          wish.local.origin, line.number, wish.fstab, line.device, line.mount_point,
                          wish.name));
}

Status check_origin(const VolumeWish& wish) {
  const std::string& origin = wish.local.origin;
  DD_TRY(check_exists(origin));
  if (const std::string user = user_of_device(origin); !user.empty())
    return fail(ErrorCode::kBusy,
                fmt::format("{}: in use ({}); unmount it, and mount /dev/mapper/{} instead when "
                            "the volume is there",
                            origin, user, wish.name));
  const DeviceContent content = DD_TRY(content_of_device(origin));
  const bool is_for_others = content.kind == "LVM2_member" || content.kind == "linux_raid_member" ||
                             content.kind == "swap";
  if (is_for_others && !wish.is_forced)
    return fail(ErrorCode::kUsage,
                fmt::format("{}: holds {}: protect what is made of it instead (a logical volume, "
                            "the array); --force if it is the origin all the same",
                            origin, content.sentence()));
  return check_origin_fstab(wish, content);
}

// Whether a snapstore lies there, told by its own marks.
Result<bool> holds_store(const VolumeWish& wish, const std::string& path) {
  const auto device = DD_TRY(FileDevice::open(path, {.access = DeviceAccess::kReadOnly}));
  const auto origin =
      DD_TRY(FileDevice::open(wish.local.origin, {.access = DeviceAccess::kReadOnly}));
  return is_store({*device, *origin, nullptr}, StoreFormat{});
}

Status check_store_device(const VolumeWish& wish, const std::string& path) {
  DD_TRY(check_exists(path));
  if (const std::string user = user_of_device(path); !user.empty())
    return fail(ErrorCode::kBusy, fmt::format("{}: in use ({})", path, user));
  if (DD_TRY(holds_store(wish, path)) && !wish.is_forced)
    return fail(ErrorCode::kExists,
                fmt::format("{}: holds a snapstore, perhaps with snapshots; --force gives it up "
                            "with all of them",
                            path));
  const DeviceContent content = DD_TRY(content_of_device(path));
  if (!content.kind.empty() && !wish.is_forced)
    return fail(ErrorCode::kExists,
                fmt::format("{}: holds {}; --force overwrites it", path, content.sentence()));
  const int fd = ::open(wish.local.origin.c_str(), O_RDONLY | O_CLOEXEC);
  const UniqueFd origin(fd);
  if (!origin) return fail_errno("cannot open", wish.local.origin);
  return refuse_path_on(path, "snapstore", DD_TRY(stack_bottom_of(fd, wish.local.origin)));
}

Status check_snapshots_unused(const JobConfig& config) {
  for (const AttachmentRecord& record : LocalAttachment::all())
    if (record.server == config.server && !record.tag.empty())
      return fail(ErrorCode::kBusy,
                  fmt::format("{}: snapshot {} is attached as {}; 'ddsnap detach {} {}' first",
                              config.name, record.tag, record.device, config.server, record.tag));
  auto client = ServerClient::connect(config.server);
  if (!client) return {};  // nobody is served
  std::size_t origins = 0;
  for (const TargetEntry& target : DD_TRY(client->targets())) {
    if (!target.is_present) continue;
    if (target.role == TargetRole::kOrigin && ++origins == 1) continue;
    return fail(ErrorCode::kBusy, fmt::format("{}: in use by {}", config.name, target.label));
  }
  return {};
}

}  // namespace

Status check_volume_name(const std::string& name) {
  const auto is_good = [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
  };
  const bool is_name = !name.empty() && name.size() <= kMaxTagBytes &&
                       std::isalnum(static_cast<unsigned char>(name.front())) != 0 &&
                       std::ranges::all_of(name, is_good);
  if (is_name && name != "control") return {};
  return fail(
      ErrorCode::kUsage,
      fmt::format("'{}' is no name for a volume: letters, digits, '-', '_' and '.', a letter "
                  "or digit first, and not 'control'",
                  name));
}

Status check_new_volume(const VolumeWish& wish) {
  DD_TRY(check_name_is_free(wish));
  for (const std::string& path : devices_of(wish.local)) DD_TRY(check_exists(path));
  DD_TRY(check_not_taken(wish));
  DD_TRY(check_origin(wish));
  DD_TRY(check_store_device(wish, wish.local.snapstore));
  if (!wish.local.metadata.empty()) DD_TRY(check_store_device(wish, wish.local.metadata));
  return {};
}

std::string device_of_volume(const JobConfig& config) {
  for (const AttachmentRecord& record : LocalAttachment::all())
    if (record.server == config.server && record.tag.empty() && !record.device.empty())
      return record.device;
  return "/dev/mapper/" + config.name;
}

Status check_unused_volume(const JobConfig& config) {
  const std::string device = device_of_volume(config);
  if (const std::string user = user_of_device(device); !user.empty())
    return fail(ErrorCode::kBusy, fmt::format("{}: in use ({}); unmount it first", device, user));
  return check_snapshots_unused(config);
}

Status check_not_in_fstab(const JobConfig& config, const std::string& fstab) {
  const auto lines = fstab_lines_of("/dev/mapper/" + config.name, {}, fstab);
  if (lines.empty()) return {};
  return fail(ErrorCode::kBusy,
              fmt::format("line {} of {} mounts /dev/mapper/{} at {}; write {} there first",
                          lines.front().number, fstab, config.name, lines.front().mount_point,
                          config.local.origin));
}

}  // namespace ddsnap
