#include "ddsnap/cli/volume_setup.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <thread>
#include <vector>

#include "ddsnap/base/unique_fd.h"
#include "ddsnap/cli/device_content.h"
#include "ddsnap/cli/locked_device.h"
#include "ddsnap/cli/unit_name.h"
#include "ddsnap/cli/verbs.h"
#include "ddsnap/replica/text_file.h"
#include "server/store/erase.h"

namespace ddsnap {

namespace {

// What has to be taken back, last first, unless all went well.
class WayBack {
 public:
  void add(std::function<Status()> step) { steps_.push_back(std::move(step)); }
  // The failure, with what could not be taken back.
  std::unexpected<Error> after(const Error& failure) {
    std::unexpected<Error> told(failure);
    for (; !steps_.empty(); steps_.pop_back())
      if (const Status undone = steps_.back()(); !undone)
        told =
            fail(told.error().code, fmt::format("{}; and what was done could not be undone: {}",
                                                told.error().message(), undone.error().message()));
    return told;
  }

 private:
  std::vector<std::function<Status()>> steps_;
};

Result<UniqueFd> lock_folder(const std::string& folder) {
  UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return fail_errno("cannot open", folder);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0)
    return fail_errno("another volume is being set up in", folder);
  return fd;
}

std::string path_of(const std::string& folder, const std::string& name) {
  return fmt::format("{}/{}.conf", folder, name);
}

std::string text_of(const JobConfig& config) {
  const LocalVolumeConfig& local = config.local;
  std::string text = fmt::format(
      "; Made by 'ddsnap volume create'; 'ddsnap volume remove {}' takes it away.\n"
      "; All keys: JOBS.md. 'ddsnap config check {}' reads this file.\n"
      "[volume]\nserver = {}\norigin = {}\nsnapstore = {}\n",
      config.name, config.name, config.server, local.origin, local.snapstore);
  if (!local.metadata.empty()) text += fmt::format("metadata = {}\n", local.metadata);
  if (local.control != LocalVolumeConfig{}.control)
    text += fmt::format("control = {}\n", local.control);
  if (local.device != "auto") text += fmt::format("device = {}\n", local.device);
  if (!config.takes_snapshots) text += "take-snapshots = no\n";
  text += fmt::format(
      "\n; Snapshots by themselves: take out the semicolons, then\n"
      "; systemctl enable --now '{}'\n"
      "; [keep]\n; hourly = 24\n; daily = 7\n",
      volume_unit("rotate", config.name, "timer"));
  return text;
}

// The locks of a server that has ended are held until its last write is done (S8).
Result<LockedDevice> lock_when_free(const std::string& path) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  for (;;) {
    auto device = LockedDevice::open(path, DeviceAccess::kReadWrite);
    const bool is_busy = !device && device.error().code == ErrorCode::kBusy;
    if (!is_busy || std::chrono::steady_clock::now() > deadline) return device;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

Status erase_store_of(const LocalVolumeConfig& local) {
  LockedDevice snapstore = DD_TRY(lock_when_free(local.snapstore));
  LockedDevice metadata;
  if (!local.metadata.empty()) metadata = DD_TRY(lock_when_free(local.metadata));
  const auto origin = DD_TRY(FileDevice::open(local.origin, {.access = DeviceAccess::kReadOnly}));
  return erase_store({*snapstore.device, *origin, metadata.device.get()});
}

Status write_store(const VolumeWish& wish) {
  if (wish.is_forced) {
    DD_TRY(wipe_device_content(wish.local.snapstore));
    if (!wish.local.metadata.empty()) DD_TRY(wipe_device_content(wish.local.metadata));
  }
  std::vector<std::string> words = wish.format;
  if (wish.is_forced) words.emplace_back("--yes");
  if (wish.is_dry_run) words.emplace_back("--dry-run");
  words.push_back(wish.local.snapstore);
  words.push_back(wish.local.origin);
  if (!wish.local.metadata.empty()) words.push_back(wish.local.metadata);
  static_cast<void>(DD_TRY(cmd_initialize(words)));
  return {};
}

JobConfig config_for(const VolumeWish& wish) {
  const std::string folder = std::filesystem::path(wish.local.control).parent_path().string();
  const bool only_receives = wish.local.device == "none";
  return {.name = wish.name,
          .server = fmt::format("{}/{}.server", folder, wish.name),
          .local = wish.local,
          .takes_snapshots = !only_receives};
}

// The way back is known before a step begins that may fail in its middle. A snapstore that could
// not be written is none: what is there then is not ours to erase.
Status set_up(const VolumeWish& wish, const JobConfig& config, VolumeServices& services,
              WayBack& way_back) {
  DD_TRY(write_store(wish));
  way_back.add([&] { return erase_store_of(wish.local); });
  const std::string path = path_of(wish.config_folder, wish.name);
  way_back.add([path] { return remove_file(path); });
  DD_TRY(write_text_file(path, text_of(config)));
  way_back.add([&] { return services.disable(config); });
  DD_TRY(services.enable(config));
  way_back.add([&] { return services.stop(config); });
  return services.start(config);
}

}  // namespace

Result<JobConfig> create_volume(const VolumeWish& wish, VolumeServices& services) {
  DD_TRY(check_new_volume(wish));
  const JobConfig config = config_for(wish);
  if (wish.is_dry_run) {
    DD_TRY(write_store({.name = wish.name,
                        .config_folder = wish.config_folder,
                        .local = wish.local,
                        .format = wish.format,
                        .is_dry_run = true}));
    return config;
  }
  DD_TRY(make_folder(wish.config_folder));
  const UniqueFd lock = DD_TRY(lock_folder(wish.config_folder));
  // Another may have been faster before the lock was ours.
  DD_TRY(check_new_volume(wish));
  WayBack way_back;
  if (const Status done = set_up(wish, config, services, way_back); !done)
    return way_back.after(done.error());
  return config;
}

Result<JobConfig> load_local_volume(const std::string& config_folder, const std::string& name) {
  JobConfig config = DD_TRY(load_job_config(config_folder, name));
  if (!config.local.origin.empty()) return config;
  return fail(ErrorCode::kUsage,
              fmt::format("{}: says neither 'origin' nor 'snapstore': whoever started its server "
                          "must see to it",
                          path_of(config_folder, name)));
}

Result<JobConfig> check_removal(const VolumeRemoval& removal) {
  JobConfig config = DD_TRY(load_local_volume(removal.config_folder, removal.name));
  DD_TRY(check_unused_volume(config));
  DD_TRY(check_not_in_fstab(config, removal.fstab));
  return config;
}

Status remove_volume(const VolumeRemoval& removal, VolumeServices& services) {
  const UniqueFd lock = DD_TRY(lock_folder(removal.config_folder));
  const JobConfig config = DD_TRY(check_removal(removal));
  DD_TRY(services.stop(config));
  DD_TRY(services.disable(config));
  DD_TRY(erase_store_of(config.local));
  // The jobs' state means nothing without the snapshots; elsewhere than usual it is not ours alone.
  std::error_code error;
  const bool is_usual = removal.config_folder == kDefaultConfigFolder &&
                        config.state_folder == "/var/lib/ddsnap/" + config.name;
  if (is_usual) std::filesystem::remove_all(config.state_folder, error);
  return remove_file(path_of(removal.config_folder, removal.name));
}

}  // namespace ddsnap
