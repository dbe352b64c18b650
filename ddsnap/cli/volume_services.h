// How a volume of this host runs: by systemd's units, or, where there is no systemd, by daemons
// that are started for it.
//
// Shape     Each call is whole or can be called again: starting what runs and stopping what does
//           not are fine. start() returns when the server answers and the device is there.
// Errors    As the program that fails says, with the last line of its log where systemd has that;
//           kBusy where the device is in use.
// Threads   None inside.
#pragma once

#include <memory>
#include <string>

#include "ddsnap/base/result.h"
#include "ddsnap/replica/job_config.h"

namespace ddsnap {

class VolumeServices {
 public:
  virtual ~VolumeServices() = default;
  virtual Status start(const JobConfig& config) = 0;
  virtual Status stop(const JobConfig& config) = 0;
  // At each boot.
  virtual Status enable(const JobConfig& config) = 0;
  virtual Status disable(const JobConfig& config) = 0;
  // Whether enable() means something.
  virtual bool starts_at_boot() const = 0;
};

// systemd's, where that runs and the configurations are where its units look for them.
std::unique_ptr<VolumeServices> make_volume_services(const std::string& config_folder);

// The volume's device: what ddsnap-device@.service runs, and what daemons of ours are started with.
Status attach_volume_device(const JobConfig& config);
Status detach_volume_device(const JobConfig& config);

}  // namespace ddsnap
