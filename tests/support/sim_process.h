// The server's process as the devices see it: it may be killed at any operation, and its I/O may
// fail.
//
// Units     Operations are writes (each request of a batch) and flushes of all its ports.
// Shape     A kill in the middle of a batch leaves some of its requests done and some not; as the
//           next server waits for the lock that the writes carry (S8), none of them lands later.
// Threads   None inside.
#pragma once

#include <cstdint>
#include <optional>

#include "ddsnap/base/random.h"
#include "tests/support/sim_tally.h"

namespace ddsnap::test {

enum class SimRole : std::uint8_t { kOrigin, kSnapstore, kMetadata };

struct SimProcess {
  // A fault of one kind of I/O on one device.
  struct Fault {
    enum class Kind : std::uint8_t { kRead, kWrite, kFlush };
    Kind kind = Kind::kRead;
    SimRole role = SimRole::kSnapstore;
    std::uint32_t times = 1;
  };

  bool is_dead = false;
  std::uint64_t operations = 0;
  std::optional<std::uint64_t> dies_at;
  std::optional<Fault> fault;
  // An end chosen by what it is about to write, so that rare kinds are cut too.
  struct Ambush {
    SimPoint point = SimPoint::kOther;
    bool cuts_power = false;
  };
  std::optional<Ambush> ambush;
  bool has_had_faults = false;  // errors are lawful from the first one on

  // What it is doing, for the coverage of crash points.
  bool is_recovering = false;
  bool is_in_background = false;
  bool has_read_tables = false;   // in this background step: it merges
  bool wrote_boundaries = false;  // a record that changes a snapshot, since it was last asked
  SimPoint last_point = SimPoint::kOther;
};

}  // namespace ddsnap::test
