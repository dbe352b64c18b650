#include "agent/registry.h"

#include <algorithm>

#include "ddsnap/base/limits.h"

namespace ddsnap {

namespace {

constexpr std::uint32_t kMaxQuestionsOfOne = 64;

}  // namespace

const AgentPeerId* Registry::server_of(const DevicePair& pair) const {
  const auto found = servers_.find(pair);
  return found == servers_.end() ? nullptr : &found->second.peer;
}

Result<std::vector<Registry::Question>> Registry::serve(AgentPeerId peer, const DevicePair& pair,
                                                        const std::string& address) {
  const auto known = servers_.find(pair);
  if (known != servers_.end() && known->second.peer != peer)
    return fail(ErrorCode::kBusy, "these devices are served already, at " + known->second.address);
  if (known == servers_.end() && servers_.size() >= kMaxRegistrations)
    return fail(ErrorCode::kNoSpace, "too many servers are registered");
  servers_[pair] = {peer, address};
  const auto waiting = waiting_.find(pair);
  if (waiting == waiting_.end()) return std::vector<Question>{};
  std::vector<Question> answered = std::move(waiting->second);
  waiting_.erase(waiting);
  waiting_count_ -= answered.size();
  for (const Question& question : answered) --questions_of_[question.peer];
  return answered;
}

Result<const std::string*> Registry::find_server(Question question, const DevicePair& pair) {
  if (const auto known = servers_.find(pair); known != servers_.end())
    return &known->second.address;
  if (questions_of_[question.peer] >= kMaxQuestionsOfOne)
    return fail(ErrorCode::kNoSpace, "too many questions are waiting on this connection");
  ++questions_of_[question.peer];
  ++waiting_count_;
  waiting_[pair].push_back(question);
  return nullptr;
}

void Registry::forget(AgentPeerId peer) {
  std::erase_if(servers_, [&](const auto& server) { return server.second.peer == peer; });
  const auto questions = questions_of_.find(peer);
  if (questions == questions_of_.end()) return;
  if (questions->second != 0)
    for (auto& [pair, waiting] : waiting_)
      waiting_count_ -= std::erase_if(waiting, [&](const Question& q) { return q.peer == peer; });
  std::erase_if(waiting_, [](const auto& entry) { return entry.second.empty(); });
  questions_of_.erase(questions);
}

}  // namespace ddsnap
