// Where the server of a volume is: by the agent, which waits until there is one, or at a known
// address.
//
// Errors    kBusy while the agent knows of no server yet; else as Connection.
// Threads   interrupt() may come from any thread and ends a search within its thread soon; all else
// by one thread.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "ddsnap/base/result.h"
#include "ddsnap/wire/connection.h"
#include "ddsnap/wire/messages.h"

namespace ddsnap {

struct ServerPlace {
  std::string control_address;  // of the agent; empty: there is none to ask
  std::string server_address;   // where it is known already; empty: the agent says
  DevicePair pair;              // what the agent is asked for
};

class ServerFinder {
 public:
  explicit ServerFinder(ServerPlace place) : place_(std::move(place)) {}

  // One attempt: the agent first, then the last known address.
  Result<std::shared_ptr<Connection>> connect();
  // The address that the last connection went to.
  std::string last_address() const;
  void interrupt();

 private:
  Result<std::string> ask_agent();
  Result<std::shared_ptr<Connection>> connect_to(const std::string& address);

  const ServerPlace place_;
  mutable std::mutex mutex_;
  std::string last_address_;            // under mutex_
  bool is_interrupted_ = false;         // under mutex_
  std::shared_ptr<Connection> asking_;  // under mutex_; shared with interrupt()
};

}  // namespace ddsnap
