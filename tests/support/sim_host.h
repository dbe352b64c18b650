// What all parts of one simulation share: seed, clock, devices, network, truth and tally; and the
// first thing that was found wrong.
//
// Threads   None inside.
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <functional>
#include <memory>
#include <set>
#include <string>

#include "server/store/snap_store.h"
#include "tests/support/sim_device.h"
#include "tests/support/sim_events.h"
#include "tests/support/sim_network.h"
#include "tests/support/sim_tally.h"
#include "tests/support/sim_truth.h"

namespace ddsnap::test {

inline constexpr std::uint64_t kSimMs = 1'000'000;
inline constexpr std::uint64_t kSimSecond = 1000 * kSimMs;

// What a seed makes of a simulation.
struct SimShape {
  std::uint64_t volume_bytes = 0;
  std::uint64_t snapstore_bytes = 0;
  std::uint64_t metadata_bytes = 0;  // 0: on the snapstore
  std::size_t spill_entries = 0;
  std::size_t origin_targets = 1;
  std::size_t snapshot_targets = 1;
  std::size_t boundaries_at_most = 8;
  bool is_tight = false;  // the store may become full
  bool has_io_errors = false;
  bool has_long_stalls = false;      // beyond every deadline
  std::uint64_t power_cut_mean = 0;  // device operations; 0: none
  std::uint64_t server_kill_mean = 0;
  std::uint64_t target_kill_mean_ns = 0;
  std::uint64_t line_cut_mean_ns = 0;
  std::uint64_t stall_mean_ns = 0;
  std::uint64_t late_ns = 0;
  unsigned zero_percent = 0;
  std::size_t strangers = 0;  // who keep no rule

  static SimShape of_seed(std::uint64_t seed);
};

class SimHost {
 public:
  SimHost(std::uint64_t seed, bool is_verbose);

  const SimShape shape;
  SeededRandom random;
  SimTally tally;
  SimEvents events;
  SimContents contents;
  SimTruth truth;
  SimNetwork network;
  std::unique_ptr<SimWorld> world;
  Uuid boot_id;
  bool is_calm = false;           // the end has come: no new work, no new faults
  bool is_origin_spoilt = false;  // written behind the server's back

  SimDevice& origin() { return world->device(0); }
  SimDevice& snapstore() { return world->device(1); }
  StoreDevices devices() {
    return {snapstore(), origin(), shape.metadata_bytes == 0 ? nullptr : &world->device(2)};
  }

  // ---- asked by the parts, answered by the whole ----
  std::function<bool(const Attachment&)> is_gone;
  std::function<std::string()> origin_writer;         // one with writes in flight, or empty
  std::function<std::string(const Uuid&)> reader_of;  // an attached target of a snapshot
  std::function<void(ChunkNr)> check_landing;         // before a write to the origin
  // Errors are lawful: some I/O was made to fail.
  bool may_fail() const { return tally.io_errors != 0; }
  // There may be no room: so few slots, or (S9) its metadata was short once.
  bool may_be_full() const { return shape.is_tight || has_been_short; }
  bool has_been_short = false;

  // ---- I/O of targets ----
  void write_origin(std::uint32_t first_sector, std::uint32_t count, ContentId content);
  void flush_origin();
  void flush_snapstore();
  void note_target_operation(SimPoint point, std::uint64_t writes);

  // ---- randomness ----
  bool one_in(std::uint64_t count) { return random.below(count) == 0; }
  // Mostly short, now and then long, up to the bound.
  std::uint64_t pause_ns(std::uint64_t at_most_ns);

  // ---- what is found ----
  void found(std::string what);
  bool is_over() const { return !wrong.empty(); }
  std::string wrong;
  template <class... Args>
  void trace(fmt::format_string<Args...> format, Args&&... args) {
    if (is_verbose_) print_trace(fmt::format(format, std::forward<Args>(args)...));
  }
  bool is_verbose() const { return is_verbose_; }

 private:
  void print_trace(const std::string& line) const;

  const bool is_verbose_;
};

}  // namespace ddsnap::test
