// The simulation of a whole volume, from one seed: the real server over simulated disks, with
// targets and users, under power cuts, kills, stalls, lost lines and failing devices.
//
// Shape     Runs until so many operations of users and targets are done, then lets everything come
//           to rest (nobody may wait for ever), and looks once more: after a clean stop, after a
//           power cut, and with every snapshot deleted.
// Errors    The result's `wrong` says what was found first; empty: nothing.
// Threads   None inside; several simulations may run in several threads.
#pragma once

#include <cstdint>
#include <string>

#include "tests/support/sim_tally.h"

namespace ddsnap::test {

struct VolumeSimResult {
  std::string wrong;
  SimTally tally;
};

VolumeSimResult run_volume_sim(std::uint64_t seed, std::uint64_t operations, bool is_verbose);

}  // namespace ddsnap::test
