// Who lives in a simulated volume: origin and snapshot targets, each followed by a new one when it
// is gone, clients, and strangers that break every rule.
//
// Shape     Everyone acts by events of the host, each planning its next one, until the host is
// calm. Lifetime  The host outlives it. clear() only with the host's events cleared: they name who
// lives.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/sim_client.h"
#include "tests/support/sim_host.h"
#include "tests/support/sim_origin_target.h"
#include "tests/support/sim_snapshot_target.h"
#include "tests/support/sim_stranger.h"

namespace ddsnap::test {

class SimPopulation {
 public:
  explicit SimPopulation(SimHost& host) : host_(host) {}

  void populate();
  void clear();

  void kill_any();
  void stall_any();
  std::vector<SimTarget*> living();

  // One more, that nobody drives.
  SimOriginTarget& add_origin_target();
  void ask_origin_targets_to_leave();

  bool is_gone(const Attachment& attachment) const;
  // Who has writes to the origin in flight, or who may use a snapshot; empty: nobody.
  std::string origin_writer() const;
  std::string reader_of(const Uuid& snapshot) const;

  bool are_clients_idle() const;
  bool are_targets_idle() const;
  std::string who_waits() const;

 private:
  void keep_origin_target();
  void keep_snapshot_target(std::size_t place);
  void drive(SimOriginTarget& target);
  void drive(SimSnapshotTarget& target);
  void drive(SimClient& client);
  void drive(SimStranger& stranger);

  SimHost& host_;
  std::uint64_t last_target_ = 0;
  // Never shrink between two clear(): events name them.
  std::deque<std::unique_ptr<SimOriginTarget>> origin_targets_;
  std::deque<std::unique_ptr<SimSnapshotTarget>> snapshot_targets_;
  std::deque<std::unique_ptr<SimClient>> clients_;
  std::deque<std::unique_ptr<SimStranger>> strangers_;
};

}  // namespace ddsnap::test
