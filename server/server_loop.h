// The server's one loop: drains sockets, lets the volume work, sends answers (DESIGN section 3).
//
// Shape     Level-triggered epoll. In one turn each session gives at most kMaxMessagesPerTurn
//           messages; a session with many answers unsent, or many questions waiting, is not read
//           (T7). With nothing else to do the store does its background work, and after a while of
//           quiet its last record is sealed (S3).
// Errors    run() returns only what ends the server; what a session does wrong ends the session.
// Threads   One. Nothing in it blocks but the store's own device I/O.
// Lifetime  Borrows everything. Sessions are closed when the loop ends; attachments stay.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "ddsnap/base/log.h"
#include "ddsnap/wire/poller.h"
#include "ddsnap/wire/session.h"
#include "ddsnap/wire/socket.h"
#include "server/agent_link.h"
#include "server/volume.h"

namespace ddsnap {

class ServerLoop {
 public:
  struct Parts {
    Volume& volume;
    SnapStore& store;
    ListeningSocket& listener;
    AgentLink& agent;
    LogSink& log;
    int signal_fd;  // signalfd: SIGHUP calls on_hangup, any other signal ends the loop
    std::function<void()> on_hangup;
  };

  static Result<std::unique_ptr<ServerLoop>> make(Parts parts);
  // Until a signal ends it. The store is still open afterwards.
  Status run();

 private:
  struct Peer {
    Session session;
    std::uint32_t interest = 0;
    bool is_ended = false;  // the peer has closed; what it sent before is still taken
    bool is_held = false;   // too many answers are unsent
  };
  using Peers = std::map<SessionId, Peer>;

  ServerLoop(Parts parts, Poller poller) : parts_(std::move(parts)), poller_(std::move(poller)) {}

  Status turn();
  Status poll_events();
  void on_event(const Poller::Event& event);
  void on_signal();
  void accept_some();
  void accept_failed(const Error& error);
  Status admit(UniqueFd fd);
  void receive(SessionId id, Peer& peer);
  void take_messages();
  void take_messages_of(SessionId id, Peer& peer);
  bool is_stalled(SessionId id, const Peer& peer) const;
  void deliver();
  void flush(SessionId id);
  void update_interest(SessionId id, Peer& peer);
  void end_session(SessionId id, const std::string& why);
  void watch_agent();
  void judge_patience();
  void work_in_background();
  void seal_when_quiet();
  int timeout_ms() const;
  bool has_runnable_session() const;

  Parts parts_;
  Poller poller_;
  Now now_;
  Peers peers_;
  std::set<SessionId> unread_;   // have bytes that were not yet made into messages
  std::set<SessionId> touched_;  // have answers to send, or another interest
  std::uint64_t last_session_ = 0;
  std::uint64_t watched_connection_ = 0;  // to the agent
  std::uint32_t watched_interest_ = 0;
  std::uint64_t accept_again_ns_ = 0;  // 0: the listener is watched
  std::uint64_t next_patience_ns_ = 0;
  std::uint64_t quiet_since_ns_ = 0;
  std::uint64_t background_again_ns_ = 0;  // after a failure
  std::uint32_t turns_without_background_ = 0;
  bool needs_seal_ = false;
  bool is_stopping_ = false;
};

}  // namespace ddsnap
