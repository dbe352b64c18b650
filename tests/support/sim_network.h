// Simulated connections between one server and its peers: frames are late, in order, and lost from
// some point on when a line is cut.
//
// Shape     A line is one connection. Each direction is a queue of its own. A cut loses some of
//           what is under way, and each end notices at a time of its own; a server that is gone
//           ends all lines, after what it had sent. A peer that is stalled takes its frames later.
// Threads   None inside.
// Lifetime  A peer outlives its lines, or closes them.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <vector>

#include "ddsnap/base/random.h"
#include "ddsnap/wire/frame_buffer.h"
#include "server/session_id.h"
#include "tests/support/sim_events.h"
#include "tests/support/sim_tally.h"

namespace ddsnap::test {

class SimPeer {
 public:
  virtual ~SimPeer() = default;
  virtual void on_frame(const Frame& frame) = 0;
  virtual void on_lost() = 0;
  virtual bool is_stalled() const { return false; }
};

class SimNetwork {
 public:
  struct Arrival {
    enum class Kind : std::uint8_t { kConnect, kFrame, kEnd };
    Kind kind = Kind::kFrame;
    SessionId session;
    Frame frame;
  };

  SimNetwork(SimEvents& events, RandomSource& random, SimTally& tally)
      : events_(events), random_(random), tally_(tally) {}

  // Longest delays of a frame, now and then and usually.
  void set_delays(std::uint64_t usual_ns, std::uint64_t late_ns) {
    usual_ns_ = usual_ns;
    late_ns_ = late_ns;
  }

  // ---- the server's end ----
  // Called when something has arrived.
  void listen(std::function<void()> on_arrival) { on_arrival_ = std::move(on_arrival); }
  std::deque<Arrival>& arrivals() { return arrivals_; }
  void send_to_peer(SessionId line, std::vector<std::byte> frame);
  void close_from_server(SessionId line);
  void server_is_gone();

  // ---- a peer's end ----
  bool has_server() const { return on_arrival_ != nullptr; }
  // Requires: has_server().
  SessionId connect(SimPeer& peer);
  void send_to_server(SessionId line, std::vector<std::byte> frame);
  template <class Message>
  void send(SessionId line, const Message& message, std::uint64_t request_id) {
    send_to_server(line, encode(message, request_id));
  }
  // No on_lost() follows.
  void close_from_peer(SessionId line);
  // Whether the server still holds its end, as a look at the socket tells.
  bool is_whole(SessionId line) const {
    const auto found = lines_.find(line);
    return found != lines_.end() && found->second.is_server_open;
  }
  // The peer takes frames again.
  void pump(SessionId line);

  // ---- faults ----
  void cut(SessionId line);
  void cut_any();
  void power_cut();

 private:
  struct Line {
    SimPeer* peer = nullptr;  // null: closed
    bool is_server_open = true;
    bool is_cut = false;
    bool is_pumping = false;
    std::uint64_t sent_to_server = 0;
    std::uint64_t sent_to_peer = 0;
    std::uint64_t last_to_server = UINT64_MAX;  // the last that arrives
    std::uint64_t last_to_peer = UINT64_MAX;
    std::uint64_t server_busy_until_ns = 0;
    std::uint64_t peer_busy_until_ns = 0;
    std::deque<std::pair<bool, Frame>> inbox;  // of the peer; false: the end
  };

  static Frame decode_frame(std::span<const std::byte> bytes);
  std::uint64_t delay_ns();
  Line* find(SessionId line);
  void to_server(SessionId line, Arrival arrival, std::uint64_t number);
  void to_peer(SessionId line, bool is_frame, Frame frame, std::uint64_t number);
  void forget_if_done(SessionId line);

  SimEvents& events_;
  RandomSource& random_;
  SimTally& tally_;
  std::uint64_t usual_ns_ = 100'000;
  std::uint64_t late_ns_ = 5'000'000;
  std::function<void()> on_arrival_;
  std::deque<Arrival> arrivals_;
  std::map<SessionId, Line> lines_;
  std::uint64_t last_line_ = 0;
};

}  // namespace ddsnap::test
