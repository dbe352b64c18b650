// A volume by systemd's units (scripts/systemd).
//
// Errors    As VolumeServices; of a unit that fails the last line that it logged.
// Threads   None inside.
#pragma once

#include "ddsnap/cli/volume_services.h"

namespace ddsnap {

class SystemdServices final : public VolumeServices {
 public:
  Status start(const JobConfig& config) override;
  Status stop(const JobConfig& config) override;
  Status enable(const JobConfig& config) override;
  Status disable(const JobConfig& config) override;
  bool starts_at_boot() const override { return true; }
};

}  // namespace ddsnap
