#include "ddsnap/cli/volume_services.h"

#include <sys/stat.h>

#include "ddsnap/cli/attach_volume.h"
#include "ddsnap/cli/plain_services.h"
#include "ddsnap/cli/systemd_services.h"

namespace ddsnap {

std::unique_ptr<VolumeServices> make_volume_services(const std::string& config_folder) {
  struct stat facts{};
  // As sd_booted(3) asks.
  const bool is_systemd = ::lstat("/run/systemd/system", &facts) == 0 && S_ISDIR(facts.st_mode);
  if (is_systemd && config_folder == kDefaultConfigFolder)
    return std::make_unique<SystemdServices>();
  return std::make_unique<PlainServices>();
}

Status attach_volume_device(const JobConfig& config) {
  if (config.local.device == "none") return {};
  DD_TRY(attach_volume({.server = config.server,
                        .tag = {},
                        .is_writable = true,
                        .how = config.local.device,
                        .control = config.local.control,
                        .mount_point = {},
                        .name = config.name}));
  return {};
}

Status detach_volume_device(const JobConfig& config) {
  return detach_volume(config.server, "");
}

}  // namespace ddsnap
