// A model of an origin target: writes under grants (T1), holds them at a barrier (T2), parks them
// while its line is lost (T3).
//
// Shape     As ddsnap/target/write_gate.h, with events in place of threads. A write lands in up to
//           three pieces, each at a time of its own; its user is told when the last has.
// Threads   None inside.
#pragma once

#include <bitset>
#include <list>
#include <map>
#include <vector>

#include "tests/support/sim_target.h"

namespace ddsnap::test {

class SimOriginTarget final : public SimTarget {
 public:
  using SimTarget::SimTarget;

  // A user's requests.
  void write();
  void read();
  void flush();
  void leave();

  bool has_writes_in_flight() const {
    return pieces_under_way_ != 0 || (in_flight_ != 0 && !is_dead());
  }
  bool is_idle() const override { return is_dead() || writes_.empty(); }
  std::string to_text() const override;

 private:
  struct Write {
    std::uint32_t first_sector = 0;
    std::uint32_t sector_count = 0;
    ContentId content = 0;
    std::uint32_t pieces_left = 0;
    bool is_in_flight = false;
  };
  using Writes = std::list<Write>;
  using ChunkSet = SimTruth::ChunkSet;

  HelloMessage hello() const override;
  void on_attached(const HelloOkMessage& ok) override;
  void on_refused(const Error& error) override;
  void on_message(const Frame& frame) override;
  void on_line_lost() override;
  void on_killed() override;

  void on_grant(const GrantMessage& grant, std::uint64_t request_id);
  void on_barrier(std::uint64_t number);
  void on_release(const ReleaseMessage& release);
  void pump();
  void ask();
  bool is_granted(const Write& write) const;
  static ChunkSet chunks_of(const Write& write);
  void submit_write(Writes::iterator write);
  void on_landed(Writes::iterator write);
  void refuse(const ChunkSet& chunks, int result_errno);
  void acknowledge_if_idle();

  Writes writes_;  // parked and in flight, oldest first
  ChunkSet granted_;
  std::map<std::uint64_t, ChunkSet> questions_;
  std::uint64_t last_request_id_ = 100;
  Epoch epoch_;
  bool is_holding_ = false;
  bool is_acknowledgement_due_ = false;
  std::uint64_t barrier_number_ = 0;
  std::uint32_t in_flight_ = 0;
  std::uint32_t pieces_under_way_ = 0;  // a dead one's too
};

}  // namespace ddsnap::test
