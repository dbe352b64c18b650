#include "ddsnap/cli/systemd_services.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <string_view>

#include "ddsnap/cli/tool.h"
#include "ddsnap/cli/unit_name.h"

namespace ddsnap {

namespace {

std::string server_unit(const JobConfig& config) {
  return volume_unit("server", config.name, "service");
}
std::string device_unit(const JobConfig& config) {
  return volume_unit("device", config.name, "service");
}

// What systemctl says of a failure is where to read; what the unit said is why.
Status start_unit(const std::string& unit) {
  // A unit that failed too often is not tried again by itself.
  (void)run_tool({"systemctl", "reset-failed", unit});
  const auto started = run_tool({"systemctl", "start", unit});
  if (started) return {};
  const auto said = run_tool(
      {"journalctl", "-q", "-o", "cat", "-n", "1", "-p", "err", "-u", unit, "-t", "ddsnap"});
  if (!said || said->empty()) return std::unexpected(started.error());
  return fail(ErrorCode::kFailed, fmt::format("{}: {}", unit, *said));
}

bool is_there(const std::string& path) {
  struct stat facts{};
  return ::stat(path.c_str(), &facts) == 0;
}

}  // namespace

Status SystemdServices::start(const JobConfig& config) {
  DD_TRY(start_unit(server_unit(config)));
  return config.local.device == "none" ? Status{} : start_unit(device_unit(config));
}

Status SystemdServices::stop(const JobConfig& config) {
  DD_TRY(run_tool({"systemctl", "stop", device_unit(config)}));
  // A unit that cannot be stopped is "failed", and that is no failure of systemctl.
  if (config.local.device != "none" && is_there("/dev/mapper/" + config.name))
    return fail(ErrorCode::kBusy, fmt::format("/dev/mapper/{} is still there; see 'journalctl -u "
                                              "{}'",
                                              config.name, device_unit(config)));
  DD_TRY(run_tool({"systemctl", "stop", server_unit(config)}));
  return {};
}

Status SystemdServices::enable(const JobConfig& config) {
  std::vector<std::string> words = {"systemctl", "-q", "enable", server_unit(config)};
  if (config.local.device != "none") words.push_back(device_unit(config));
  DD_TRY(run_tool(words));
  return {};
}

Status SystemdServices::disable(const JobConfig& config) {
  std::vector<std::string> timers = {"systemctl", "-q", "disable", "--now"};
  for (const char* job : {"rotate", "replicate"})
    timers.push_back(volume_unit(job, config.name, "timer"));
  DD_TRY(run_tool(timers));
  DD_TRY(run_tool({"systemctl", "-q", "disable", device_unit(config), server_unit(config)}));
  return {};
}

}  // namespace ddsnap
