// Setting up a volume of this host in one step, and taking it away again.
//
//     create    checks; empty snapstore; NAME.conf; units enabled; server and device up
//     remove    checks; device and server down; units disabled; snapstore erased; NAME.conf gone
//
// Shape     A create that fails takes back what it did, in reverse order. A remove that fails can
//           be run again. The origin's content is never written by either.
// Errors    As volume_check.h, initialize and the services say. Where the way back fails too, both
//           are told.
// Threads   One at a time in a folder of configurations (a lock on it); kBusy while another works.
#pragma once

#include <string>

#include "ddsnap/cli/volume_check.h"
#include "ddsnap/cli/volume_services.h"

namespace ddsnap {

// The configuration that it was given.
Result<JobConfig> create_volume(const VolumeWish& wish, VolumeServices& services);

struct VolumeRemoval {
  std::string name;
  std::string config_folder = default_config_folder();
  std::string fstab = "/etc/fstab";
};
// kNotFound: no such volume; kUsage: one that `ddsnap volume` knows no devices of. Otherwise
// whether it could be removed now.
Result<JobConfig> check_removal(const VolumeRemoval& removal);
Status remove_volume(const VolumeRemoval& removal, VolumeServices& services);

// The volume's configuration, where that says what the volume is made of.
Result<JobConfig> load_local_volume(const std::string& config_folder, const std::string& name);

}  // namespace ddsnap
