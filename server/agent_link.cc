#include "server/agent_link.h"

#include <algorithm>
#include <limits>

#include "ddsnap/base/limits.h"
#include "ddsnap/wire/socket.h"
#include "server/now.h"

namespace ddsnap {

std::uint64_t AgentLink::next_ns() const {
  return session_ ? std::numeric_limits<std::uint64_t>::max() : retry_ns_;
}

void AgentLink::on_time(std::uint64_t now_ns) {
  if (session_ || now_ns < retry_ns_) return;
  if (const Status done = connect(now_ns); !done) lose(done.error(), now_ns);
}

Status AgentLink::connect(std::uint64_t now_ns) {
  UniqueFd fd = DD_TRY(connect_socket(agent_address_, 1));
  DD_TRY(check_peer(fd.get()));
  session_.emplace(std::move(fd), now_ns);
  ++connection_count_;
  DD_TRY(session_->queue(encode(serve_, 1)));
  return session_->flush();
}

void AgentLink::on_event(std::uint64_t now_ns) {
  if (!session_) return;
  Status done = session_->flush();
  if (done) done = session_->receive();
  // What came before the end is read first: it may say why.
  const Status taken = take_messages();
  if (!taken) return lose(taken.error(), now_ns);
  if (!done && done.error().code != ErrorCode::kBusy) lose(done.error(), now_ns);
}

Status AgentLink::take_messages() {
  for (;;) {
    const auto frame = DD_TRY(session_->next_frame());
    if (!frame) return {};
    DD_TRY(handle(*frame));
  }
}

Status AgentLink::handle(const Frame& frame) {
  switch (frame.header.type) {
    case MsgType::kOk:
      is_registered_ = true;
      backoff_ms_ = 0;
      last_told_.clear();
      log_.info("registered with the agent at {}", agent_address_);
      return {};
    case MsgType::kError:
      return std::unexpected(DD_TRY(decode<ErrorMessage>(frame.body)).error);
    default:
      return fail(ErrorCode::kDamaged, "the agent sent a message that is none of its own");
  }
}

void AgentLink::lose(const Error& why, std::uint64_t now_ns) {
  session_.reset();
  is_registered_ = false;
  backoff_ms_ = std::clamp(backoff_ms_ * 2, kAgentRetryMin_ms, kAgentRetryMax_ms);
  retry_ns_ = now_ns + backoff_ms_ * kNsPerMs;
  if (const std::string text = why.message(); text != last_told_) {
    log_.warning("not registered with the agent at {}: {}; trying again", agent_address_, text);
    last_told_ = text;
  }
}

}  // namespace ddsnap
