// A user of the command line: one command after another, each on a connection of its own, and what
// the answer may be.
//
// Shape     A create whose answer is lost is asked again with the same uuid (S6). Some are made in
//           two steps: held, and then committed, given up, or left to themselves.
// Threads   None inside.
#pragma once

#include <optional>

#include "tests/support/sim_host.h"

namespace ddsnap::test {

class SimClient final : public SimPeer {
 public:
  SimClient(SimHost& host, std::string name) : host_(host), name_(std::move(name)) {}

  // Says something, if it has nothing to wait for.
  void act();
  bool is_idle() const { return command_ == nullptr; }
  std::string to_text() const;

 private:
  using Kind = SimCommand::Kind;
  enum class Step : std::uint8_t { kAsked, kHeld, kGivenUp };

  void on_frame(const Frame& frame) override;
  void on_lost() override;

  std::optional<SimCommand> choose();
  SimCommand choose_create();
  std::string any_tag();
  void say(SimCommand command);
  void send(const SimCommand& command);
  void send_create(const SimCommand& command);
  void on_held();
  void decide();
  void judge(const Frame& frame);
  std::string judge_error(const SimCommand& command, const Error& error) const;
  std::string judge_ok(const SimCommand& command, const Frame& frame) const;
  std::string judge_changelist(const Frame& frame) const;
  void done();

  SimHost& host_;
  const std::string name_;
  std::shared_ptr<SimCommand> command_;
  SessionId session_;
  bool is_retry_ = false;
  Step step_ = Step::kAsked;
  // The changelist asked for.
  Uuid from_;
  SimTruth::ChunkSet must_be_listed_;
  // As things stood when the command was sent.
  Uuid subject_;
  std::uint32_t priority_changes_ = 0;
};

}  // namespace ddsnap::test
