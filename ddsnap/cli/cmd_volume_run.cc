// The actions that bring a volume up and down: those of a person (start, stop), and those that
// units are made of (serve, attach, detach).
#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <optional>
#include <thread>

#include "ddsnap/base/daemon.h"
#include "ddsnap/cli/argument_parser.h"
#include "ddsnap/cli/help_texts.h"
#include "ddsnap/cli/unit_name.h"
#include "ddsnap/cli/verbs.h"
#include "ddsnap/cli/volume_setup.h"
#include "server/server_main.h"

namespace ddsnap {

namespace {

constexpr std::chrono::seconds kDevicePatience{90};

struct Texts {
  const char* name;
  const char* usage;
  const char* summary;
};

// None: help was asked for.
Result<std::optional<JobConfig>> config_from(Arguments arguments, const Texts& texts,
                                             std::string& folder) {
  std::string name;
  folder = default_config_folder();
  ArgumentParser parser({.name = texts.name, .usage = texts.usage, .summary = texts.summary});
  parser.config_option(folder);
  parser.object("NAME", name, kVolumeHelp);
  if (!DD_TRY(parser.parse(arguments))) return std::nullopt;
  return DD_TRY(load_local_volume(folder, volume_of_instance(name)));
}

// At boot disks come when they come.
Status wait_for(const std::string& path) {
  const auto deadline = std::chrono::steady_clock::now() + kDevicePatience;
  struct stat facts{};
  for (bool is_told = false; ::stat(path.c_str(), &facts) != 0; is_told = true) {
    if (errno != ENOENT || std::chrono::steady_clock::now() > deadline)
      return fail_errno("cannot open", path);
    if (!is_told) notify_service_manager("STATUS=waiting for " + path);
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  return {};
}

}  // namespace

Result<int> cmd_volume_serve(Arguments arguments) {
  std::string folder;
  const auto config = DD_TRY(config_from(
      arguments,
      {"volume serve", "[--config DIR] NAME",
       "Runs the server of a volume in the foreground, when its devices are there; for\n"
       "ddsnap-server@.service. What it logs goes to stderr."},
      folder));
  if (!config) return 0;

  const LocalVolumeConfig& local = config->local;
  DD_TRY(wait_for(local.origin));
  DD_TRY(wait_for(local.snapstore));
  if (!local.metadata.empty()) DD_TRY(wait_for(local.metadata));
  ServerOptions options;
  options.snapstore = local.snapstore;
  options.origin = local.origin;
  options.metadata = local.metadata;
  options.control = local.control;
  options.socket = config->server;
  options.is_foreground = true;
  DD_TRY(run_server(options));
  return 0;
}

Result<int> cmd_volume_attach(Arguments arguments) {
  std::string folder;
  const auto config = DD_TRY(
      config_from(arguments,
                  {"volume attach", "[--config DIR] NAME",
                   "Makes the device of a volume whose server runs; for ddsnap-device@.service."},
                  folder));
  if (!config) return 0;
  DD_TRY(attach_volume_device(*config));
  return 0;
}

Result<int> cmd_volume_detach(Arguments arguments) {
  std::string folder;
  const auto config = DD_TRY(config_from(
      arguments,
      {"volume detach", "[--config DIR] NAME",
       "Ends the device of a volume, also when its server is gone; for ddsnap-device@.service."},
      folder));
  if (!config) return 0;
  DD_TRY(detach_volume_device(*config));
  return 0;
}

Result<int> cmd_volume_start(Arguments arguments) {
  std::string folder;
  const auto config = DD_TRY(config_from(
      arguments,
      {"volume start", "[--config DIR] NAME",
       "Brings a volume up: its server, and /dev/mapper/NAME. By its units where systemd runs,\n"
       "else by daemons. Also where it is up already."},
      folder));
  if (!config) return 0;
  DD_TRY(make_volume_services(folder)->start(*config));
  if (config->local.device != "none") fmt::print("{}\n", device_of_volume(*config));
  return 0;
}

Result<int> cmd_volume_stop(Arguments arguments) {
  std::string folder;
  const auto config = DD_TRY(config_from(
      arguments,
      {"volume stop", "[--config DIR] NAME",
       "Takes a volume's device and server down, unless the device is in use. Snapshots stay."},
      folder));
  if (!config) return 0;
  DD_TRY(check_unused_volume(*config));
  DD_TRY(make_volume_services(folder)->stop(*config));
  return 0;
}

}  // namespace ddsnap
