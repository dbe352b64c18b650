// One device as the server's process uses it: counts and names what it writes, fails or ends where
// that is wanted, and tells the truth what became durable.
//
// Errors    As the device below; faults begin with kInjectedText.
// Threads   None inside.
// Lifetime  Borrows all of it.
#pragma once

#include "server/store/layout.h"
#include "tests/support/sim_device.h"
#include "tests/support/sim_process.h"
#include "tests/support/sim_truth.h"

namespace ddsnap::test {

class SimPort final : public BlockDevice {
 public:
  struct Surroundings {
    SimWorld& world;
    SimProcess& process;
    SimTruth& truth;
    SimTally& tally;
    RandomSource& random;
  };
  // `has_metadata`: the superblocks, the journal and the tables are on this device.
  SimPort(const Surroundings& all, SimDevice& below, SimRole role, const Layout& layout,
          bool has_metadata)
      : all_(all), below_(below), role_(role), layout_(layout), has_metadata_(has_metadata) {}

  const DeviceGeometry& geometry() const override { return below_.geometry(); }
  const std::string& name() const override { return below_.name(); }
  Status run(std::span<IoRequest> batch) override;
  Status flush() override;
  // Writes to the origin by the server: none is lawful.
  bool has_written_origin() const { return has_written_origin_; }

 private:
  SimPoint point_of(const IoRequest& request) const;
  SimPoint point_of_record(const IoRequest& request) const;
  void note(const IoRequest& request);
  void spring_ambush(std::span<const IoRequest> batch, std::uint64_t writes);
  void note_power_cut(SimPoint point);
  bool strikes(SimProcess::Fault::Kind kind);
  bool dies_within(std::uint64_t operations);
  Status refuse(std::span<IoRequest> batch, std::string_view why) const;
  Status land_some(std::span<IoRequest> batch, std::string_view why);

  Surroundings all_;
  SimDevice& below_;
  const SimRole role_;
  const Layout layout_;
  const bool has_metadata_;
  bool has_written_origin_ = false;
};

}  // namespace ddsnap::test
