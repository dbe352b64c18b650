// The agent process: from its options to a clean stop.
//
// Shape     Returns after SIGTERM or SIGINT. Not in the foreground, the caller's process ends
//           within, as soon as the socket accepts or the start has failed.
// Errors    kBusy when an agent listens there already; what sockets and files say.
// Threads   Call before any thread is made.
#pragma once

#include <string>

#include "ddsnap/base/result.h"

namespace ddsnap {

struct AgentOptions {
  std::string control;  // the socket
  bool is_foreground = false;
  std::string log;       // empty: stderr in the foreground, else kDefaultAgentLog if writable
  std::string pid_file;  // empty: none
};

inline constexpr const char* kDefaultAgentLog = "/var/log/ddsnap.agent.log";

Status run_agent(AgentOptions options);

}  // namespace ddsnap
