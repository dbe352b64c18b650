// A peer of the server's that keeps no rule (T7, T8): it sends what is not for it to send, to no
// purpose, too long or too short, claims to be another target or to see other devices, attaches and
// answers nothing, and goes away in the middle.
//
// Shape     Everything it says is refused or harmless, so the truth knows nothing of it: whatever
//           it brings about is a finding.
// Threads   None inside.
#pragma once

#include "tests/support/sim_host.h"

namespace ddsnap::test {

class SimStranger final : public SimPeer {
 public:
  SimStranger(SimHost& host, std::string name) : host_(host), name_(std::move(name)) {}

  // Says something, or goes away.
  void act();
  void leave();

 private:
  void on_frame(const Frame& frame) override;
  void on_lost() override { is_connected_ = false; }
  bool is_stalled() const override { return is_mute_; }

  void connect();
  void greet();
  void lie_about_itself();
  void speak_as_a_target();
  void speak_as_a_user();
  void babble();
  std::vector<ChunkRange> any_ranges();
  std::uint64_t any_number();
  HelloMessage greeting();
  template <class Message>
  void send(const Message& message) {
    say(encode(message, ++last_id_));
  }
  void say(std::vector<std::byte> frame);

  SimHost& host_;
  const std::string name_;
  SessionId session_;
  bool is_connected_ = false;
  bool is_mute_ = false;   // takes no answers
  bool has_lied_ = false;  // so no HELLO_OK may follow
  std::uint64_t last_id_ = 0;
};

}  // namespace ddsnap::test
