#include "tests/support/sim_target.h"

#include <algorithm>

namespace ddsnap::test {

namespace {

constexpr std::uint64_t kFirstBackoff = 20 * kSimMs;
constexpr std::uint64_t kLastBackoff = 2 * kSimSecond;
constexpr std::uint64_t kHelloPatience = 60 * kSimSecond;
constexpr std::uint64_t kHelloId = 1;
constexpr std::uint64_t kDetachId = 2;

}  // namespace

SimTarget::SimTarget(SimHost& host, std::string label)
    : host_(host), label_(std::move(label)), uuid_(Uuid::make(host.random)) {}

std::string SimTarget::to_text() const {
  return fmt::format("{} (attachment {}, {}{})", label_, attachment_id_,
                     is_dead_                   ? "dead"
                     : line_ == Line::kUp       ? "up"
                     : line_ == Line::kGreeting ? "greeting"
                     : line_ == Line::kLeaving  ? "leaving"
                                                : "no line",
                     is_stalled() ? ", stalled" : "");
}

void SimTarget::start() {
  DD_CHECK(is_dead_ && life_ == 0);
  is_dead_ = false;
  connect_later();
}

void SimTarget::kill() {
  if (is_dead_) return;
  is_dead_ = true;
  ++life_;
  if (line_ != Line::kNone) host_.network.close_from_peer(session_);
  line_ = Line::kNone;
  host_.trace("{} is killed with {} pieces of I/O under way", label_, io_under_way_);
  on_killed();
}

void SimTarget::stall_for(std::uint64_t duration_ns) {
  if (is_dead_ || is_stalled()) return;
  stalled_until_ns_ = host_.events.now_ns() + duration_ns;
  host_.trace("{} stalls for {:.3f} s", label_, static_cast<double>(duration_ns) / 1e9);
  later(duration_ns, [this] {
    if (line_ != Line::kNone) host_.network.pump(session_);
  });
}

void SimTarget::later(std::uint64_t delay_ns, SimEvents::Act act) {
  host_.events.after(delay_ns, [this, life = life_, act = std::move(act)] {
    if (life == life_) act();
  });
}

void SimTarget::submit(std::uint64_t delay_ns, SimEvents::Act act, SimEvents::Act never) {
  ++io_under_way_;
  host_.events.after(delay_ns, [this, act = std::move(act), never = std::move(never)] {
    if (!is_dead_ || host_.one_in(3)) {
      --io_under_way_;
      act();
    } else if (host_.one_in(2)) {
      --io_under_way_;
      never();
    } else {  // a dead process's write, later still
      host_.events.after(host_.random.below(3 * kSimSecond), [this, act] {
        --io_under_way_;
        act();
      });
    }
  });
}

std::uint64_t SimTarget::io_ns() {
  return 5'000 + host_.pause_ns(host_.one_in(64) ? 500 * kSimMs : 2 * kSimMs);
}

// ---- the line ----

void SimTarget::connect_later() {
  const std::uint64_t pause_ns = host_.random.below(std::max(backoff_ns_, kFirstBackoff));
  backoff_ns_ = std::clamp(backoff_ns_ * 2, kFirstBackoff, kLastBackoff);
  later(pause_ns, [this] { connect(); });
}

void SimTarget::connect() {
  if (line_ != Line::kNone) return;
  if (is_stalled() || !host_.network.has_server()) return connect_later();
  session_ = host_.network.connect(*this);
  line_ = Line::kGreeting;
  const std::uint64_t generation = ++generation_;
  HelloMessage message = hello();
  message.target_uuid = uuid_;
  message.boot_id = host_.boot_id;
  message.dm_device_or_pid = 1;
  message.label = label_;
  message.is_returning = attachment_id_ != 0;
  message.attachment_id = attachment_id_;
  send(message, kHelloId);
  ++host_.tally.attaches;
  later(kHelloPatience, [this, generation] {
    if (line_ != Line::kGreeting || generation != generation_) return;
    host_.network.close_from_peer(session_);
    on_lost();
  });
}

void SimTarget::on_lost() {
  const bool was_up = line_ == Line::kUp || line_ == Line::kLeaving;
  const bool was_leaving = line_ == Line::kLeaving;
  line_ = Line::kNone;
  if (was_up) on_line_lost();
  if (was_leaving) kill();  // whether it is forgotten or not: its process ends
  if (!is_dead_) connect_later();
}

void SimTarget::on_frame(const Frame& frame) {
  if (is_dead_) return;
  if (line_ == Line::kGreeting) return on_greeting_answered(frame);
  if (line_ == Line::kLeaving && frame.header.request_id == kDetachId) {
    if (frame.header.type == MsgType::kOk) attachment_id_ = 0;
    host_.trace("{} has detached{}", label_, attachment_id_ == 0 ? "" : ", in vain");
    return kill();
  }
  if (line_ == Line::kUp || line_ == Line::kLeaving) on_message(frame);
}

void SimTarget::on_greeting_answered(const Frame& frame) {
  if (frame.header.type == MsgType::kError) {
    const Error error = decode<ErrorMessage>(frame.body).value().error;
    host_.trace("{} is refused: {}", label_, error.message());
    host_.network.close_from_peer(session_);
    line_ = Line::kNone;
    on_refused(error);
    if (!is_dead_) connect_later();
    return;
  }
  const HelloOkMessage ok = decode<HelloOkMessage>(frame.body).value();
  attachment_id_ = ok.attachment_id;
  line_ = Line::kUp;
  backoff_ns_ = 0;
  may_be_forgotten_ = false;
  host_.trace("{} is attached as {}", label_, attachment_id_);
  on_attached(ok);
}

void SimTarget::on_forgotten() {
  if (attachment_id_ != 0 && !may_be_forgotten_)
    host_.found(fmt::format("{} was forgotten, and it lives (T4)", label_));
  attachment_id_ = 0;
}

void SimTarget::detach() {
  if (line_ != Line::kUp) return;
  line_ = Line::kLeaving;
  may_be_forgotten_ = true;
  send(DetachMessage{}, kDetachId);
}

}  // namespace ddsnap::test
