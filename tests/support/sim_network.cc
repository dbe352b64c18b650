#include "tests/support/sim_network.h"

#include <algorithm>

namespace ddsnap::test {

Frame SimNetwork::decode_frame(std::span<const std::byte> bytes) {
  FrameBuffer buffer;
  buffer.feed(bytes);
  auto whole = buffer.next();
  DD_CHECK(whole && *whole);
  return *std::move(*whole);
}

std::uint64_t SimNetwork::delay_ns() {
  const std::uint64_t at_most = random_.below(32) == 0 ? late_ns_ : usual_ns_;
  return 1000 + random_.below(at_most);
}

SimNetwork::Line* SimNetwork::find(SessionId line) {
  const auto found = lines_.find(line);
  return found == lines_.end() ? nullptr : &found->second;
}

void SimNetwork::forget_if_done(SessionId id) {
  const Line* line = find(id);
  if (line != nullptr && line->peer == nullptr && !line->is_server_open) lines_.erase(id);
}

SessionId SimNetwork::connect(SimPeer& peer) {
  DD_CHECK(has_server());
  const SessionId id{++last_line_};
  lines_[id].peer = &peer;
  to_server(id, {Arrival::Kind::kConnect, id, {}}, 0);
  return id;
}

void SimNetwork::to_server(SessionId id, Arrival arrival, std::uint64_t number) {
  Line& line = lines_.at(id);
  line.server_busy_until_ns = std::max(line.server_busy_until_ns, events_.now_ns() + delay_ns());
  const auto act = [this, id, number, arrival = std::move(arrival)]() mutable {
    Line* at = find(id);
    if (at == nullptr || !at->is_server_open) return;
    if (arrival.kind == Arrival::Kind::kFrame && number > at->last_to_server) return;
    arrivals_.push_back(std::move(arrival));
    if (on_arrival_) on_arrival_();
  };
  events_.after(line.server_busy_until_ns - events_.now_ns(), act);
}

void SimNetwork::to_peer(SessionId id, bool is_frame, Frame frame, std::uint64_t number) {
  Line& line = lines_.at(id);
  line.peer_busy_until_ns = std::max(line.peer_busy_until_ns, events_.now_ns() + delay_ns());
  const auto act = [this, id, is_frame, number, frame = std::move(frame)]() mutable {
    Line* at = find(id);
    if (at == nullptr || at->peer == nullptr) return;
    if (is_frame && number > at->last_to_peer) return;
    at->inbox.emplace_back(is_frame, std::move(frame));
    pump(id);
  };
  events_.after(line.peer_busy_until_ns - events_.now_ns(), act);
}

void SimNetwork::pump(SessionId id) {
  Line* line = find(id);
  if (line == nullptr || line->is_pumping) return;
  line->is_pumping = true;
  while (line->peer != nullptr && !line->inbox.empty() && !line->peer->is_stalled()) {
    const auto [is_frame, frame] = std::move(line->inbox.front());
    line->inbox.pop_front();
    SimPeer* peer = line->peer;
    if (is_frame) {
      ++tally_.messages;
      peer->on_frame(frame);
    } else {
      line->peer = nullptr;
      peer->on_lost();
    }
    line = find(id);  // it may have closed the line
    if (line == nullptr) return;
  }
  line->is_pumping = false;
  forget_if_done(id);
}

void SimNetwork::send_to_server(SessionId id, std::vector<std::byte> bytes) {
  Line* line = find(id);
  if (line == nullptr || !line->is_server_open) return;
  to_server(id, {Arrival::Kind::kFrame, id, decode_frame(bytes)}, ++line->sent_to_server);
}

void SimNetwork::send_to_peer(SessionId id, std::vector<std::byte> bytes) {
  Line* line = find(id);
  if (line == nullptr || line->peer == nullptr || !line->is_server_open) return;
  to_peer(id, true, decode_frame(bytes), ++line->sent_to_peer);
}

void SimNetwork::close_from_peer(SessionId id) {
  Line* line = find(id);
  if (line == nullptr) return;
  line->peer = nullptr;
  line->inbox.clear();
  if (line->is_server_open) to_server(id, {Arrival::Kind::kEnd, id, {}}, 0);
  if (!line->is_pumping) forget_if_done(id);
}

void SimNetwork::close_from_server(SessionId id) {
  Line* line = find(id);
  if (line == nullptr || !line->is_server_open) return;
  line->is_server_open = false;
  std::erase_if(arrivals_, [&](const Arrival& arrival) { return arrival.session == id; });
  if (line->peer != nullptr) to_peer(id, false, {}, 0);
  if (!line->is_pumping) forget_if_done(id);
}

void SimNetwork::server_is_gone() {
  on_arrival_ = nullptr;
  arrivals_.clear();
  std::vector<SessionId> open;
  for (const auto& [id, line] : lines_)
    if (line.is_server_open) open.push_back(id);
  for (const SessionId id : open) close_from_server(id);
}

void SimNetwork::cut(SessionId id) {
  Line* line = find(id);
  if (line == nullptr || line->is_cut) return;
  line->is_cut = true;
  ++tally_.lost_lines;
  line->last_to_server = line->sent_to_server - std::min(line->sent_to_server, random_.below(4));
  line->last_to_peer = line->sent_to_peer - std::min(line->sent_to_peer, random_.below(4));
  // One end may learn of it much later than the other.
  const std::uint64_t late_ns = random_.below(4) == 0 ? 3'000'000'000 : 2'000'000;
  if (random_.below(2) == 0)
    line->server_busy_until_ns = events_.now_ns() + random_.below(late_ns);
  else
    line->peer_busy_until_ns = events_.now_ns() + random_.below(late_ns);
  if (line->is_server_open) to_server(id, {Arrival::Kind::kEnd, id, {}}, 0);
  if (line->peer != nullptr) to_peer(id, false, {}, 0);
}

void SimNetwork::cut_any() {
  if (lines_.empty()) return;
  auto at = lines_.begin();
  std::advance(at, static_cast<std::ptrdiff_t>(random_.below(lines_.size())));
  cut(at->first);
}

void SimNetwork::power_cut() {
  on_arrival_ = nullptr;
  arrivals_.clear();
  lines_.clear();
}

}  // namespace ddsnap::test
