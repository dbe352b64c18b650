// Whether a volume can be made of these devices without anybody's data being lost, and whether one
// can be taken away.
//
// Shape     Only looks; nothing is written. Each refusal says what was seen, and what to do.
// Errors    kUsage for what can never work; kBusy for what is in use; kExists for what would be
//           overwritten, or is another volume's.
// Threads   Plain functions.
#pragma once

#include <string>
#include <vector>

#include "ddsnap/base/result.h"
#include "ddsnap/replica/job_config.h"

namespace ddsnap {

struct VolumeWish {
  std::string name;
  std::string config_folder = default_config_folder();
  LocalVolumeConfig local;
  std::vector<std::string> format;  // words for `ddsnap initialize`
  bool is_forced = false;           // what lies on the snapstore may go
  bool is_dry_run = false;
  std::string fstab = "/etc/fstab";
};

// Letters, digits, '-', '_' and '.': the name is a file's, a device's and, escaped, a unit's
// (unit_name.h).
Status check_volume_name(const std::string& name);

Status check_new_volume(const VolumeWish& wish);

// Nobody uses the volume's device, its snapshots, or its server.
Status check_unused_volume(const JobConfig& config);
// The volume's device is in no line of the host's fstab.
Status check_not_in_fstab(const JobConfig& config, const std::string& fstab);

// Where the volume's device is, or would be.
std::string device_of_volume(const JobConfig& config);

}  // namespace ddsnap
