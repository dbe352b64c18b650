#include "agent/agent.h"

#include <poll.h>

#include <cerrno>
#include <chrono>
#include <csignal>

#include "ddsnap/base/limits.h"
#include "ddsnap/base/stop_signals.h"

namespace ddsnap {

namespace {

constexpr std::uint64_t kListenerToken = 0;
constexpr std::uint64_t kSignalToken = 1;
constexpr std::uint64_t kFirstPeer = 16;
constexpr int kMaxAcceptsPerTurn = 64;
constexpr std::uint64_t kNsPerMillisecond = 1'000'000;
constexpr std::uint64_t kCheck_ms = 500;

std::uint64_t steady_now_ns() {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                        std::chrono::steady_clock::now().time_since_epoch())
                                        .count());
}

bool has_hung_up(int fd) {
  pollfd poll_fd{.fd = fd, .events = POLLRDHUP, .revents = 0};
  return ::poll(&poll_fd, 1, 0) > 0 && (poll_fd.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

}  // namespace

Result<std::unique_ptr<Agent>> Agent::make(Parts parts) {
  Poller poller = DD_TRY(Poller::make());
  DD_TRY(parts.listener.set_nonblocking());
  DD_TRY(poller.add(parts.listener.fd(), kListenerToken, EPOLLIN));
  DD_TRY(poller.add(parts.signal_fd, kSignalToken, EPOLLIN));
  std::unique_ptr<Agent> agent(new Agent(std::move(parts), std::move(poller)));
  agent->last_peer_ = kFirstPeer;
  return agent;
}

Status Agent::run() {
  while (!is_stopping_) DD_TRY(turn());
  return {};
}

Status Agent::turn() {
  const bool must_look_again = !sessions_.empty() || accept_again_ns_ != 0;
  const int timeout_ms = !unread_.empty() ? 0 : must_look_again ? static_cast<int>(kCheck_ms) : -1;
  const auto events = DD_TRY(poller_.wait(timeout_ms));
  now_ns_ = steady_now_ns();
  if (accept_again_ns_ != 0 && now_ns_ >= accept_again_ns_) {
    accept_again_ns_ = 0;
    DD_TRY(poller_.change(parts_.listener.fd(), kListenerToken, EPOLLIN));
  }
  const std::set<AgentPeerId> unread = std::exchange(unread_, {});
  for (const AgentPeerId id : unread) receive(id);
  for (const Poller::Event& event : events) on_event(event);
  judge_patience();
  for (const AgentPeerId id : std::exchange(ended_, {})) end(id, "");
  return {};
}

void Agent::on_event(const Poller::Event& event) {
  switch (event.token) {
    case kListenerToken:
      return accept_some();
    case kSignalToken:
      return on_signal();
    default:
      return receive({event.token});
  }
}

void Agent::on_signal() {
  const auto signal = next_signal(parts_.signal_fd);
  if (!signal) return;
  if (*signal == SIGHUP) return parts_.on_hangup();
  parts_.log.info("stopping on signal {}", *signal);
  is_stopping_ = true;
}

void Agent::accept_some() {
  for (int i = 0; i < kMaxAcceptsPerTurn; ++i) {
    auto fd = parts_.listener.accept();
    if (!fd && fd.error().sys_errno == EAGAIN) return;
    if (!fd) {  // out of descriptors: those who wait are left in the listener's queue for a while
      parts_.log.warning("{}; pausing", fd.error().message());
      if (poller_.change(parts_.listener.fd(), kListenerToken, 0))
        accept_again_ns_ = now_ns_ + kCheck_ms * kNsPerMillisecond;
      return;
    }
    if (const Status admitted = admit(*std::move(fd)); !admitted)
      parts_.log.warning("a connection was refused: {}", admitted.error().message());
  }
}

Status Agent::admit(UniqueFd fd) {
  DD_TRY(check_peer(fd.get()));
  if (sessions_.size() >= kMaxConnections)
    return fail(ErrorCode::kBusy, "too many connections to the agent");
  const AgentPeerId id{++last_peer_};
  DD_TRY(poller_.add(fd.get(), id.value, EPOLLIN));
  sessions_.emplace(id, Session(std::move(fd), now_ns_));
  return {};
}

void Agent::receive(AgentPeerId id) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end() || unread_.contains(id)) return;
  Session& session = found->second;
  const bool had_output = session.output_bytes() != 0;
  Status done = session.flush();
  if (done && had_output && session.output_bytes() == 0)
    done = poller_.change(session.fd(), id.value, EPOLLIN);
  if (done) done = session.receive();
  const bool has_ended = !done && done.error().code != ErrorCode::kBusy;
  if (const Status taken = take_messages(id, session); !taken) {
    send(id, encode(ErrorMessage{taken.error()}, 0));
    return end(id, taken.error().message());
  }
  if (has_ended) end(id, "");
}

Status Agent::take_messages(AgentPeerId id, Session& session) {
  bool has_taken = false;
  for (std::uint32_t count = 0; count < kMaxMessagesPerTurn; ++count) {
    const auto frame = DD_TRY(session.next_frame());
    if (!frame) {
      session.note_progress(now_ns_, has_taken);
      return {};
    }
    has_taken = true;
    if (const Status handled = handle(id, *frame); !handled) {
      if (handled.error().code == ErrorCode::kDamaged) return handled;
      send(id, encode(ErrorMessage{handled.error()}, frame->header.request_id));
    }
  }
  session.note_progress(now_ns_, has_taken);
  unread_.insert(id);
  return {};
}

Status Agent::handle(AgentPeerId id, const Frame& frame) {
  switch (frame.header.type) {
    case MsgType::kServe:
      return on_serve(id, frame);
    case MsgType::kFindServer:
      return on_find_server(id, frame);
    default:
      return fail(ErrorCode::kDamaged, "an agent takes no messages of type " +
                                           std::to_string(static_cast<int>(frame.header.type)));
  }
}

Status Agent::on_serve(AgentPeerId id, const Frame& frame) {
  const auto message = DD_TRY(decode<ServeMessage>(frame.body));
  // The old server of a restarted volume may have gone without our having heard of it yet.
  if (const AgentPeerId* older = registry_.server_of(message.pair); older != nullptr) {
    const auto session = sessions_.find(*older);
    if (*older != id && (session == sessions_.end() || has_hung_up(session->second.fd()))) {
      ended_.insert(*older);
      registry_.forget(AgentPeerId{*older});
    }
  }
  const auto answered = DD_TRY(registry_.serve(id, message.pair, message.address));
  send(id, encode(OkMessage{}, frame.header.request_id));
  for (const Registry::Question& question : answered)
    send(question.peer, encode(ServerAtMessage{message.address}, question.request_id));
  parts_.log.info("a server is at {}; {} targets were waiting", message.address, answered.size());
  return {};
}

Status Agent::on_find_server(AgentPeerId id, const Frame& frame) {
  const auto message = DD_TRY(decode<FindServerMessage>(frame.body));
  const std::string* address =
      DD_TRY(registry_.find_server({id, frame.header.request_id}, message.pair));
  if (address != nullptr) send(id, encode(ServerAtMessage{*address}, frame.header.request_id));
  return {};
}

void Agent::send(AgentPeerId id, std::vector<std::byte> frame) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return;
  Session& session = found->second;
  Status sent = session.queue(std::move(frame));
  if (sent) sent = session.flush();
  if (!sent) {
    session.stop_sending();
    ended_.insert(id);
    return;
  }
  const std::uint32_t interest = EPOLLIN | (session.output_bytes() != 0 ? EPOLLOUT : 0u);
  if (!poller_.change(session.fd(), id.value, interest)) ended_.insert(id);
}

void Agent::end(AgentPeerId id, const std::string& why) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return;
  if (!why.empty()) parts_.log.warning("a connection is ended: {}", why);
  poller_.remove(found->second.fd());
  sessions_.erase(found);
  unread_.erase(id);
  registry_.forget(id);
}

void Agent::judge_patience() {
  if (now_ns_ < next_patience_ns_) return;
  next_patience_ns_ = now_ns_ + kCheck_ms * kNsPerMillisecond;
  for (const auto& [id, session] : sessions_)
    if (!unread_.contains(id) && session.has_worn_out_patience(now_ns_)) ended_.insert(id);
}

}  // namespace ddsnap
