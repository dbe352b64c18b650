#include "server/server_loop.h"

#include <algorithm>
#include <cerrno>
#include <csignal>

#include "ddsnap/base/limits.h"
#include "ddsnap/base/stop_signals.h"
#include "server/clock.h"

namespace ddsnap {

namespace {

constexpr std::uint64_t kListenerToken = 0;
constexpr std::uint64_t kSignalToken = 1;
constexpr std::uint64_t kAgentToken = 2;
constexpr std::uint64_t kFirstSession = 16;

constexpr int kMaxAcceptsPerTurn = 64;
constexpr std::size_t kHighOutputBytes = kMaxOutputBytes / 4;
constexpr std::size_t kLowOutputBytes = kMaxOutputBytes / 16;
constexpr std::uint64_t kAcceptPause_ms = 200;
constexpr std::uint64_t kPatienceCheck_ms = 500;
constexpr std::uint64_t kBackgroundPause_ms = 1000;
constexpr std::uint32_t kMaxTurnsWithoutBackground = 32;

}  // namespace

Result<std::unique_ptr<ServerLoop>> ServerLoop::make(Parts parts) {
  Poller poller = DD_TRY(Poller::make());
  DD_TRY(parts.listener.set_nonblocking());
  DD_TRY(poller.add(parts.listener.fd(), kListenerToken, EPOLLIN));
  DD_TRY(poller.add(parts.signal_fd, kSignalToken, EPOLLIN));
  std::unique_ptr<ServerLoop> loop(new ServerLoop(std::move(parts), std::move(poller)));
  loop->now_ = read_clock();
  loop->last_session_ = kFirstSession;
  loop->watch_agent();
  return loop;
}

Status ServerLoop::run() {
  while (!is_stopping_) DD_TRY(turn());
  deliver();
  return {};
}

Status ServerLoop::turn() {
  DD_TRY(poll_events());
  take_messages();
  parts_.volume.on_time(now_);
  if (parts_.volume.has_work(now_)) {
    parts_.volume.run_batch(now_);
    needs_seal_ = true;
    quiet_since_ns_ = now_.steady_ns;
  }
  deliver();
  watch_agent();
  judge_patience();
  work_in_background();
  seal_when_quiet();
  return {};
}

Status ServerLoop::poll_events() {
  const auto events = DD_TRY(poller_.wait(timeout_ms()));
  now_ = read_clock();
  if (accept_again_ns_ != 0 && now_.steady_ns >= accept_again_ns_) {
    accept_again_ns_ = 0;
    DD_TRY(poller_.change(parts_.listener.fd(), kListenerToken, EPOLLIN));
  }
  for (const Poller::Event& event : events) on_event(event);
  return {};
}

void ServerLoop::on_event(const Poller::Event& event) {
  switch (event.token) {
    case kListenerToken:
      return accept_some();
    case kSignalToken:
      return on_signal();
    case kAgentToken:
      return parts_.agent.on_event(now_.steady_ns);
    default:
      break;
  }
  const SessionId id{event.token};
  const auto found = peers_.find(id);
  if (found == peers_.end()) return;
  if ((event.events & EPOLLOUT) != 0) touched_.insert(id);
  if ((event.events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) receive(id, found->second);
}

void ServerLoop::on_signal() {
  const auto signal = next_signal(parts_.signal_fd);
  if (!signal) return;
  if (*signal == SIGHUP) return parts_.on_hangup();
  parts_.log.info("stopping on signal {}", *signal);
  is_stopping_ = true;
}

// ---- coming ----

void ServerLoop::accept_some() {
  for (int i = 0; i < kMaxAcceptsPerTurn; ++i) {
    auto fd = parts_.listener.accept();
    if (!fd) return accept_failed(fd.error());
    if (const Status admitted = admit(*std::move(fd)); !admitted)
      parts_.log.warning("a connection was refused: {}", admitted.error().message());
  }
}

// Out of descriptors or memory: the connections wait in the listener's queue, and the loop must not
// spin on them.
void ServerLoop::accept_failed(const Error& error) {
  if (error.sys_errno == EAGAIN) return;
  parts_.log.warning("{}; pausing", error.message());
  if (!poller_.change(parts_.listener.fd(), kListenerToken, 0)) return;
  accept_again_ns_ = now_.steady_ns + kAcceptPause_ms * kNsPerMs;
}

Status ServerLoop::admit(UniqueFd fd) {
  DD_TRY(check_peer(fd.get()));
  Session session(std::move(fd), now_.steady_ns);
  if (peers_.size() >= kMaxConnections) {
    const auto error = fail(ErrorCode::kBusy, "too many connections to this server").error();
    DD_TRY(session.queue(encode(ErrorMessage{error}, 0)));
    DD_TRY(session.flush());
    return std::unexpected(error);
  }
  const SessionId id{++last_session_};
  DD_TRY(poller_.add(session.fd(), id.value, EPOLLIN));
  peers_.emplace(id, Peer{.session = std::move(session), .interest = EPOLLIN});
  parts_.volume.on_connect(id);
  return {};
}

// ---- reading ----

void ServerLoop::receive(SessionId id, Peer& peer) {
  if (peer.is_ended || unread_.contains(id)) {
    // A hang-up cannot be masked: one that is stalled and gone is given up.
    if (is_stalled(id, peer)) end_session(id, "it has gone with its answers unread");
    return;
  }
  const Status received = peer.session.receive();
  if (!received && received.error().code == ErrorCode::kBusy) return;
  peer.is_ended = !received;
  unread_.insert(id);
}

bool ServerLoop::is_stalled(SessionId id, const Peer& peer) const {
  return peer.is_held || parts_.volume.is_congested(id);
}

void ServerLoop::take_messages() {
  const std::vector<SessionId> ids(unread_.begin(), unread_.end());
  for (const SessionId id : ids)
    if (const auto found = peers_.find(id); found != peers_.end())
      take_messages_of(id, found->second);
}

void ServerLoop::take_messages_of(SessionId id, Peer& peer) {
  bool has_taken = false;
  for (std::uint32_t count = 0; count < kMaxMessagesPerTurn; ++count) {
    if (is_stalled(id, peer)) return update_interest(id, peer);
    auto frame = peer.session.next_frame();
    if (!frame) {
      parts_.volume.outbox().send_error(id, 0, frame.error());
      parts_.volume.outbox().close(id);
      return deliver();
    }
    if (!*frame) {
      unread_.erase(id);
      peer.session.note_progress(now_.steady_ns, has_taken);
      update_interest(id, peer);
      if (peer.is_ended) end_session(id, "");
      return;
    }
    has_taken = true;
    parts_.volume.on_message(id, (*frame)->header.type, (*frame)->header.request_id, (*frame)->body,
                             now_);
    deliver();
    if (!peers_.contains(id)) return;
  }
  peer.session.note_progress(now_.steady_ns, has_taken);
  update_interest(id, peer);
}

// ---- answering ----

void ServerLoop::deliver() {
  for (;;) {
    std::set<SessionId> overrun;
    for (Outbox::Frame& frame : parts_.volume.outbox().take_frames()) {
      const auto found = peers_.find(frame.to);
      if (found == peers_.end()) continue;
      if (!found->second.session.queue(std::move(frame.bytes))) overrun.insert(frame.to);
      touched_.insert(frame.to);
    }
    const auto closes = parts_.volume.outbox().take_closes();
    for (const SessionId id : std::exchange(touched_, {})) flush(id);
    for (const SessionId id : overrun) end_session(id, "it does not take its answers");
    for (const SessionId id : closes) end_session(id, "");
    if (overrun.empty() && closes.empty() && touched_.empty()) return;
  }
}

void ServerLoop::flush(SessionId id) {
  const auto found = peers_.find(id);
  if (found == peers_.end()) return;
  Peer& peer = found->second;
  // One that reads no more may have sent something before it closed: the reading side ends it.
  if (!peer.session.flush()) peer.session.stop_sending();
  const std::size_t unsent = peer.session.output_bytes();
  if (unsent > kHighOutputBytes) peer.is_held = true;
  if (unsent < kLowOutputBytes) peer.is_held = false;
  parts_.volume.hold_answers(id, peer.is_held);
  update_interest(id, peer);
}

void ServerLoop::update_interest(SessionId id, Peer& peer) {
  std::uint32_t interest = 0;
  if (!peer.is_ended && !unread_.contains(id) && !is_stalled(id, peer)) interest |= EPOLLIN;
  if (!peer.is_ended && peer.session.output_bytes() != 0) interest |= EPOLLOUT;
  if (interest == peer.interest) return;
  if (poller_.change(peer.session.fd(), id.value, interest)) peer.interest = interest;
}

void ServerLoop::end_session(SessionId id, const std::string& why) {
  const auto found = peers_.find(id);
  if (found == peers_.end()) return;
  if (!why.empty()) parts_.log.warning("a connection is ended: {}", why);
  poller_.remove(found->second.session.fd());
  peers_.erase(found);
  unread_.erase(id);
  touched_.erase(id);
  parts_.volume.on_disconnect(id);
}

// ---- time ----

void ServerLoop::watch_agent() {
  parts_.agent.on_time(now_.steady_ns);
  const int fd = parts_.agent.fd();
  const std::uint32_t interest = EPOLLIN | (parts_.agent.wants_to_send() ? EPOLLOUT : 0u);
  const std::uint64_t connection = parts_.agent.connection_count();
  if (fd < 0) return;
  // A lost connection's descriptor has left the set by being closed.
  Status watched;
  if (connection != watched_connection_) {
    watched = poller_.add(fd, kAgentToken, interest);
  } else if (interest != watched_interest_) {
    watched = poller_.change(fd, kAgentToken, interest);
  }
  if (!watched) parts_.log.error("cannot watch the agent: {}", watched.error().message());
  watched_connection_ = connection;
  watched_interest_ = interest;
}

void ServerLoop::judge_patience() {
  if (now_.steady_ns < next_patience_ns_) return;
  next_patience_ns_ = now_.steady_ns + kPatienceCheck_ms * kNsPerMs;
  std::vector<SessionId> tired;
  for (const auto& [id, peer] : peers_)
    if (!unread_.contains(id) && peer.session.has_worn_out_patience(now_.steady_ns))
      tired.push_back(id);
  for (const SessionId id : tired) end_session(id, "it kept half a message, or said nothing");
}

void ServerLoop::work_in_background() {
  if (!parts_.store.has_background_work() || now_.steady_ns < background_again_ns_) return;
  const bool is_busy = parts_.volume.has_work(now_) || has_runnable_session();
  if (is_busy && ++turns_without_background_ < kMaxTurnsWithoutBackground) return;
  turns_without_background_ = 0;
  const Status done = parts_.store.background_step();
  if (done) return;
  parts_.log.error("background work failed: {}", done.error().message());
  background_again_ns_ = now_.steady_ns + kBackgroundPause_ms * kNsPerMs;
}

void ServerLoop::seal_when_quiet() {
  if (!needs_seal_ || now_.steady_ns < quiet_since_ns_ + kSealAfter_ms * kNsPerMs) return;
  needs_seal_ = false;
  if (const Status sealed = parts_.store.seal(); !sealed)
    parts_.log.error("cannot seal the journal: {}", sealed.error().message());
}

bool ServerLoop::has_runnable_session() const {
  return std::ranges::any_of(unread_, [&](SessionId id) { return !is_stalled(id, peers_.at(id)); });
}

int ServerLoop::timeout_ms() const {
  if (parts_.volume.has_work(now_) || has_runnable_session() || !touched_.empty()) return 0;
  std::uint64_t until_ns = parts_.agent.next_ns();
  if (const auto deadline = parts_.volume.next_deadline_ns())
    until_ns = std::min(until_ns, *deadline);
  if (parts_.store.has_background_work()) until_ns = std::min(until_ns, background_again_ns_);
  if (needs_seal_) until_ns = std::min(until_ns, quiet_since_ns_ + kSealAfter_ms * kNsPerMs);
  if (accept_again_ns_ != 0) until_ns = std::min(until_ns, accept_again_ns_);
  if (!peers_.empty()) until_ns = std::min(until_ns, next_patience_ns_);
  if (until_ns <= now_.steady_ns) return 0;
  constexpr std::uint64_t kLongest_ms = 60'000;
  return static_cast<int>(std::min((until_ns - now_.steady_ns) / kNsPerMs + 1, kLongest_ms));
}

}  // namespace ddsnap
