// A volume by daemons that are started for it, where there is no systemd. Whoever boots the host
// calls `ddsnap volume start`.
//
// Shape     The agent at the volume's control socket, if nobody answers there; a server, its pid
//           file and log beside its socket; the device. The agent stays when a volume ends: others
//           may need it.
// Errors    As VolumeServices.
// Threads   None inside.
#pragma once

#include "ddsnap/cli/volume_services.h"

namespace ddsnap {

class PlainServices final : public VolumeServices {
 public:
  Status start(const JobConfig& config) override;
  Status stop(const JobConfig& config) override;
  Status enable(const JobConfig&) override { return {}; }
  Status disable(const JobConfig&) override { return {}; }
  bool starts_at_boot() const override { return false; }
};

}  // namespace ddsnap
