// The server's connection to the agent: says which devices are served and where, and says it again
// after the agent was away (T3).
//
// Shape     Event-driven: the loop polls fd() and calls on_time() when next_ns() has come. The
//           agent may start later than the server; tries are spaced out more and more.
// Errors    None to the caller: they are lines in the log, told once for each new state.
// Threads   None inside. Nothing blocks, except that connect() may wait a millisecond for an agent
//           whose queue is full.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "ddsnap/base/log.h"
#include "ddsnap/wire/messages.h"
#include "ddsnap/wire/session.h"

namespace ddsnap {

class AgentLink {
 public:
  AgentLink(std::string agent_address, ServeMessage serve, LogSink& log)
      : agent_address_(std::move(agent_address)), serve_(std::move(serve)), log_(log) {}

  // -1 while there is no connection; changes only within on_time() and on_event().
  int fd() const { return session_ ? session_->fd() : -1; }
  // Counts the connections made, so that a new one is known from an old one of the same number.
  std::uint64_t connection_count() const { return connection_count_; }
  bool wants_to_send() const { return session_ && session_->output_bytes() != 0; }
  bool is_registered() const { return is_registered_; }
  std::uint64_t next_ns() const;

  void on_time(std::uint64_t now_ns);
  void on_event(std::uint64_t now_ns);

 private:
  Status connect(std::uint64_t now_ns);
  Status take_messages();
  Status handle(const Frame& frame);
  void lose(const Error& why, std::uint64_t now_ns);

  const std::string agent_address_;
  const ServeMessage serve_;
  LogSink& log_;
  std::optional<Session> session_;
  bool is_registered_ = false;
  std::uint64_t connection_count_ = 0;
  std::uint64_t retry_ns_ = 0;
  std::uint64_t backoff_ms_ = 0;
  std::string last_told_;
};

}  // namespace ddsnap
