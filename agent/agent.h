// The agent: one per host, introduces targets to servers over the control socket.
//
// Shape     One epoll loop around a Registry. Targets may come before their servers and wait on
//           their connection, without polling; after a restart of the agent servers and targets
//           come again by themselves (T3).
// Errors    run() returns only what ends the agent; what a peer does wrong ends its connection.
// Threads   One.
// Lifetime  Borrows everything.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "agent/registry.h"
#include "ddsnap/base/log.h"
#include "ddsnap/wire/poller.h"
#include "ddsnap/wire/session.h"
#include "ddsnap/wire/socket.h"

namespace ddsnap {

class Agent {
 public:
  struct Parts {
    ListeningSocket& listener;
    LogSink& log;
    int signal_fd;  // SIGHUP calls on_hangup, any other signal ends the loop
    std::function<void()> on_hangup;
  };

  static Result<std::unique_ptr<Agent>> make(Parts parts);
  Status run();

 private:
  Agent(Parts parts, Poller poller) : parts_(std::move(parts)), poller_(std::move(poller)) {}

  Status turn();
  void on_event(const Poller::Event& event);
  void on_signal();
  void accept_some();
  Status admit(UniqueFd fd);
  void receive(AgentPeerId id);
  Status take_messages(AgentPeerId id, Session& session);
  Status handle(AgentPeerId id, const Frame& frame);
  Status on_serve(AgentPeerId id, const Frame& frame);
  Status on_find_server(AgentPeerId id, const Frame& frame);
  void send(AgentPeerId id, std::vector<std::byte> frame);
  void end(AgentPeerId id, const std::string& why);
  void judge_patience();

  Parts parts_;
  Poller poller_;
  Registry registry_;
  std::map<AgentPeerId, Session> sessions_;
  std::set<AgentPeerId> unread_;  // have whole messages that were not taken in their turn
  std::set<AgentPeerId> ended_;   // to be ended when the turn is over
  std::uint64_t last_peer_ = 0;
  std::uint64_t now_ns_ = 0;
  std::uint64_t next_patience_ns_ = 0;
  std::uint64_t accept_again_ns_ = 0;  // 0: the listener is watched
  bool is_stopping_ = false;
};

}  // namespace ddsnap
