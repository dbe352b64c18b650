#include "server/volume.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace ddsnap {

Volume::Volume(SnapStore& store, BlockDevice& origin, VolumeConfig config, RandomSource& random,
               OwnershipProbe& probe, LogSink& log)
    : config_(std::move(config)),
      log_(log),
      store_(store),
      attachments_(store, probe, log),
      parts_{store, origin, config_, out_, attachments_, log},
      dropping_(parts_),
      policy_(parts_, dropping_),
      ladder_(parts_, dropping_),
      admission_(parts_, dropping_, origin_watch_),
      writes_(parts_),
      creation_(parts_, random),
      questions_(parts_),
      changelists_(parts_),
      checks_(parts_),
      commands_(parts_),
      origin_watch_(parts_),
      resize_(parts_, origin_watch_),
      room_watch_(store, log),
      probe_(probe) {
  origin_watch_.check();
  room_watch_.look();
}

// ---- events ----

void Volume::on_connect(SessionId) {}

void Volume::on_message(SessionId session, MsgType type, std::uint64_t request_id,
                        std::span<const std::byte> body, Now now) {
  const auto handler = std::ranges::find(kHandlers, type, &Handler::type);
  if (handler == kHandlers.end())
    return break_off(session, request_id,
                     {.code = ErrorCode::kUsage,
                      .text = fmt::format("a server takes no messages of type {}",
                                          static_cast<unsigned>(type))});
  if (body.size() < handler->body.min_bytes || body.size() > handler->body.max_bytes)
    return break_off(session, request_id,
                     {.code = ErrorCode::kDamaged,
                      .text = fmt::format("a message of type {} cannot have {} bytes",
                                          static_cast<unsigned>(type), body.size())});
  const Request request{session, request_id, body, now};
  if (const Status done = dispatch(*handler, request); !done) {
    if (done.error().code == ErrorCode::kDamaged && !store_.failed())
      return break_off(session, request_id, done.error());
    out_.send_error(session, request_id, done.error());
  }
}

Status Volume::dispatch(const Handler& handler, const Request& request) {
  if (!has_role(request.session, handler.role))
    return fail(ErrorCode::kUsage, fmt::format("this connection may not send messages of type {}",
                                               static_cast<unsigned>(handler.type)));
  return (this->*handler.function)(request);
}

bool Volume::has_role(SessionId session, Role role) const {
  const auto* binding = attachments_.binding_of(session);
  switch (role) {
    case Role::kAnybody:
      return true;
    case Role::kNoTarget:
      return binding == nullptr && !hellos_.contains(session);
    case Role::kTarget:
      return binding != nullptr;
    case Role::kOrigin:
      return binding != nullptr && binding->is_origin;
    case Role::kSnapshot:
      return binding != nullptr && !binding->is_origin;
  }
  return false;
}

void Volume::break_off(SessionId session, std::uint64_t request_id, Error error) {
  out_.send_error(session, request_id, std::move(error));
  out_.close(session);
}

void Volume::on_disconnect(SessionId session) {
  const auto* binding = attachments_.binding_of(session);
  const std::string label = binding == nullptr ? "" : binding->label;
  attachments_.unbind(session);
  hellos_.erase(session);
  writes_.forget(session);
  changelists_.forget(session);
  checks_.forget(session);
  questions_.on_disconnect(session);
  creation_.on_lost(session, label);
  creation_.on_client_gone(session);
  if (!label.empty()) log_.info("target {} has lost its connection", label);
}

void Volume::on_time(Now now) {
  creation_.on_time(now);
  questions_.on_time(now.steady_ns);
  // No file is touched while writers are held (T9), and probing may look into /sys.
  if (creation_.is_barrier_on()) return;
  ladder_.watch(now);
  if (now.steady_ns < next_probe_ns_) return;
  next_probe_ns_ = now.steady_ns + kProbeInterval_ms * kNsPerMs;
  attachments_.forget_some_gone();
  // Also where nobody was forgotten: a victim may have been left from before a restart, or its
  // removal may have failed.
  finish_dropping();
  look_for_swap(now);
}

// Swap may come to the volume long after the start (T9). It is too late to refuse it then.
void Volume::look_for_swap(Now now) {
  if (now.steady_ns < next_swap_look_ns_) return;
  next_swap_look_ns_ = now.steady_ns + kSwapLookInterval_ms * kNsPerMs;
  const std::string found = probe_.swap_on_origin();
  if (!found.empty() && found != swap_on_origin_)
    log_.error(
        "swap area {} lies on the protected volume, where it can lock this host up: "
        "'swapoff {}'",
        found, found);
  swap_on_origin_ = found;
}

// ---- one turn ----

void Volume::run_batch(Now now) {
  if (!creation_.is_barrier_on()) {
    admit_waiting(now);
    if (dropping_.is_behind()) finish_dropping();
    run_writes(now);
  }
  questions_.run(now.steady_ns);
  changelists_.run();
  // A piece of a check may take some milliseconds; writers that are held need not wait for it.
  if (!creation_.is_barrier_on()) checks_.run();
  if (!creation_.is_barrier_on()) {
    if (creation_.has_queued()) policy_.make_metadata_room();
    creation_.start_next(now);
  }
  room_watch_.look();
}

bool Volume::has_work(Now now) const {
  if (questions_.has_runnable() || changelists_.has_parked()) return true;
  if (creation_.is_barrier_on()) return false;
  if (checks_.has_parked()) return true;
  if (!hellos_.empty() || creation_.has_queued()) return true;
  if (dropping_.is_behind() && !policy_.is_making_room()) return true;
  if (policy_.is_making_room()) return !policy_.is_waiting_for_targets(now.steady_ns);
  return writes_.has_asks() && has_runnable_writes_;
}

std::optional<std::uint64_t> Volume::next_deadline_ns() const {
  std::optional<std::uint64_t> earliest = creation_.deadline_ns();
  const auto consider = [&](std::optional<std::uint64_t> other) {
    if (other && (!earliest || *other < *earliest)) earliest = other;
  };
  consider(questions_.deadline_ns());
  if (policy_.is_making_room()) consider(dropping_.deadline_ns());
  consider(ladder_.deadline_ns());
  const bool has_absent = attachments_.present_count() != store_.attachments().size();
  if (!creation_.is_barrier_on() && (has_absent || !dropping_.is_empty())) consider(next_probe_ns_);
  return earliest;
}

bool Volume::is_congested(SessionId session) const {
  return writes_.count_of(session) + questions_.count_of(session) + changelists_.count_of(session) +
             checks_.count_of(session) >=
         kMaxParkedQuestions;
}

void Volume::admit_waiting(Now now) {
  for (const auto& [session, waiting] : std::exchange(hellos_, {}))
    admit(session, waiting.request_id, waiting.hello, now);
}

void Volume::admit(SessionId session, std::uint64_t request_id, const HelloMessage& hello,
                   Now now) {
  admission_.on_hello(session, request_id, hello);
  const auto* binding = attachments_.binding_of(session);
  if (binding != nullptr && !binding->is_origin)
    questions_.on_attach(session, binding->snapshot, now.steady_ns);
}

void Volume::run_writes(Now now) {
  ladder_.watch(now);
  has_runnable_writes_ = false;
  if (!writes_.has_asks() && !policy_.is_making_room()) return;
  if (ladder_.goes_on_untracked()) return writes_.grant_whole_volume();
  if (ladder_.must_refuse_first_writes()) {
    // What is covered already goes on; that touches no device. Not where the store failed: the
    // record of a snapshot that could not be made may have landed all the same, and the next server
    // finds it (S1, T2).
    if (!store_.failed()) (void)writes_.run(false);
    return writes_.refuse_all(EIO);
  }
  const auto outcome = writes_.run(!policy_.is_making_room());
  if (!outcome) {
    has_runnable_writes_ =
        ladder_.on_failed_batch(outcome.error(), now) == LadderPolicy::Verdict::kAskAgain;
    if (!has_runnable_writes_) writes_.refuse_all(EIO);
    return;
  }
  has_runnable_writes_ = outcome->has_more;
  if (outcome->has_found_no_room) {
    policy_.on_no_room();
  } else if (!policy_.is_making_room()) {
    policy_.on_room();
  }
  if (policy_.is_making_room()) make_room(now);
}

void Volume::make_room(Now now) {
  switch (policy_.advance(now.steady_ns)) {
    case FullStorePolicy::Answer::kRetry:
      has_runnable_writes_ = true;
      return;
    case FullStorePolicy::Answer::kWait:
      return;
    case FullStorePolicy::Answer::kNoRoom:
      log_.error("the snapstore is full and nothing may be dropped: writes fail");
      writes_.refuse_put_back(ENOSPC);
      has_runnable_writes_ = true;
      return;
  }
}

// The policy does it itself while it makes room, and must see that something was removed.
void Volume::finish_dropping() {
  if (!policy_.is_making_room()) dropping_.finish_ready();
}

}  // namespace ddsnap
