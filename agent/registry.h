// Who serves which devices, and who waits to hear of it: the agent's memory, without its sockets.
//
// Shape     A registration lives as long as the connection that made it; a question that has no
//           answer yet waits as long as the connection that asked. One connection may register
//           several pairs of devices.
// Errors    kBusy: another living connection serves that pair. kNoSpace: too many registrations or
//           questions.
// Threads   None inside.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "ddsnap/base/result.h"
#include "ddsnap/wire/messages.h"

namespace ddsnap {

struct AgentPeerId {
  std::uint64_t value = 0;
  friend auto operator<=>(AgentPeerId, AgentPeerId) = default;
};

class Registry {
 public:
  struct Question {
    AgentPeerId peer;
    std::uint64_t request_id = 0;
  };

  // Who registered the pair, if anybody.
  const AgentPeerId* server_of(const DevicePair& pair) const;
  // Returns the questions that can be answered now, and forgets them.
  Result<std::vector<Question>> serve(AgentPeerId peer, const DevicePair& pair,
                                      const std::string& address);
  // Null: nobody yet; the question waits for serve().
  Result<const std::string*> find_server(Question question, const DevicePair& pair);
  void forget(AgentPeerId peer);

  std::size_t registration_count() const { return servers_.size(); }
  std::size_t waiting_count() const { return waiting_count_; }

 private:
  struct Server {
    AgentPeerId peer;
    std::string address;
  };
  std::map<DevicePair, Server> servers_;
  std::map<DevicePair, std::vector<Question>> waiting_;
  std::map<AgentPeerId, std::uint32_t> questions_of_;
  std::size_t waiting_count_ = 0;
};

}  // namespace ddsnap
