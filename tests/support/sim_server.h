// The server of the simulation: the real store and the real volume, driven as server_loop.h drives
// them, over ports that count, fail and die.
//
// Shape     A turn takes what has arrived, runs one batch, sends the answers, works a little in the
//           background. After every call the truth is shown what changed.
// Threads   None inside.
#pragma once

#include <memory>
#include <optional>

#include "server/volume.h"
#include "tests/support/sim_host.h"
#include "tests/support/sim_port.h"

namespace ddsnap::test {

class SimServer final : private OwnershipProbe {
 public:
  explicit SimServer(SimHost& host) : host_(host) {}

  // The administrator or the init system starts it, again and again until it runs.
  void start_after(std::uint64_t delay_ns);
  // The power is cut: nothing of it is left.
  void vanish();
  bool is_up() const { return volume_ != nullptr; }
  SimProcess& process() { return process_; }
  // No fault that was planned comes any more.
  void spare() {
    process_.dies_at.reset();
    process_.fault.reset();
    process_.ambush.reset();
  }
  const SnapStore* store() const { return store_.get(); }
  // A write is about to land on the origin: what is checked of it.
  void check_landing(ChunkNr chunk);
  // Everything asked for is done, and the store has nothing to tidy.
  bool is_idle() const;
  // Stops it as SIGTERM does. Requires: is_idle().
  void stop();

 private:
  bool is_gone(const Attachment& attachment) override { return host_.is_gone(attachment); }

  void start();
  Status open();
  std::string judge_recovery();
  void note_slots();
  void die();
  void wake(std::uint64_t delay_ns);
  void turn();
  void take_arrivals();
  void work_in_background();
  void seal_when_quiet();
  void plan_next_turn();
  // After a call into the volume or the store. False: the process or the power is gone.
  bool settle_call();
  void observe();
  void deliver();
  void check_grant(const Outbox::Frame& frame);
  bool is_alive() const {
    return volume_ != nullptr && !process_.is_dead && !host_.world->crashed();
  }
  Now now() const { return {.steady_ns = host_.events.now_ns(), .wall_ns = host_.events.now_ns()}; }

  SimHost& host_;
  NullLog null_log_;
  class TraceLog;
  std::unique_ptr<LogSink> trace_log_;
  SimProcess process_;
  std::unique_ptr<SimPort> origin_;
  std::unique_ptr<SimPort> snapstore_;
  std::unique_ptr<SimPort> metadata_;
  std::unique_ptr<SnapStore> store_;
  std::unique_ptr<Volume> volume_;
  std::uint64_t life_ = 0;
  std::uint64_t next_turn_ns_ = 0;  // 0: none is planned
  std::uint64_t turn_number_ = 0;
  std::uint64_t background_again_ns_ = 0;
  std::uint64_t quiet_since_ns_ = 0;
  bool needs_seal_ = false;
  bool has_told_failure_ = false;
  std::optional<std::uint64_t> slots_free_at_stop_;
};

}  // namespace ddsnap::test
