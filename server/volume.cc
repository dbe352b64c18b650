#include "server/volume.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace ddsnap {

namespace {

constexpr std::size_t kMaxRangesBody = 8 + 8 * std::size_t{kMaxRangesPerMessage};
constexpr std::size_t kMaxTagBody = 16 + 4 + 2 * (kMaxTagBytes + 4);

}  // namespace

// Body sizes keep nonsense from the decoders; these check everything else.
const std::span<const Volume::Handler> Volume::kHandlers = [] {
  static constexpr Handler kTable[] = {
      {MsgType::kHello, &Volume::on_hello, Role::kNoTarget, {64, 512}},
      {MsgType::kPrepareWrite, &Volume::on_prepare_write, Role::kOrigin, {16, kMaxRangesBody}},
      {MsgType::kLocate, &Volume::on_locate, Role::kSnapshot, {16, kMaxRangesBody}},
      {MsgType::kPrepareSnapshotWrite,
       &Volume::on_prepare_snapshot_write,
       Role::kSnapshot,
       {16, kMaxRangesBody}},
      {MsgType::kBarrierAck, &Volume::on_barrier_ack, Role::kOrigin, {8, 24}},
      {MsgType::kDroppedAck, &Volume::on_dropped_ack, Role::kSnapshot, {0, 0}},
      {MsgType::kInvalidateAck, &Volume::on_invalidate_ack, Role::kSnapshot, {8, 24}},
      {MsgType::kDetach, &Volume::on_detach, Role::kTarget, {0, 0}},
      {MsgType::kCreateSnapshot, &Volume::on_create, Role::kAnybody, {18, kMaxTagBody}},
      {MsgType::kPrepareSnapshot,
       &Volume::on_prepare_snapshot,
       Role::kAnybody,
       {22, 4 + kMaxTagBody}},
      {MsgType::kCommitSnapshot, &Volume::on_commit_snapshot, Role::kAnybody, {16, 16}},
      {MsgType::kAbortSnapshot, &Volume::on_abort_snapshot, Role::kAnybody, {16, 16}},
      {MsgType::kDeleteSnapshot, &Volume::on_delete, Role::kAnybody, {2, kMaxTagBody}},
      {MsgType::kListSnapshots, &Volume::on_list, Role::kAnybody, {8, 8}},
      {MsgType::kGetStatus, &Volume::on_status, Role::kAnybody, {0, 0}},
      {MsgType::kSetPriority, &Volume::on_priority, Role::kAnybody, {2, kMaxTagBody}},
      {MsgType::kAddUseCount, &Volume::on_use_count, Role::kAnybody, {5, kMaxTagBody}},
      {MsgType::kGetChangelist, &Volume::on_changelist, Role::kAnybody, {10, kMaxTagBody}},
      {MsgType::kListTargets, &Volume::on_list_targets, Role::kAnybody, {4, 4}},
      {MsgType::kForceDetach, &Volume::on_force_detach, Role::kAnybody, {1, kMaxTagBody}},
      {MsgType::kCheckStore, &Volume::on_check_store, Role::kAnybody, {25, 25}},
      {MsgType::kResize, &Volume::on_resize, Role::kAnybody, {17, 17}},
  };
  return std::span<const Handler>(kTable);
}();

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
    admit_waiting();
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

void Volume::admit_waiting() {
  for (const auto& [session, waiting] : std::exchange(hellos_, {}))
    admission_.on_hello(session, waiting.request_id, waiting.hello);
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

// ---- targets ----

Status Volume::on_hello(const Request& request) {
  HelloMessage hello = DD_TRY(decode<HelloMessage>(request.body));
  if (creation_.is_barrier_on()) {  // T2: attaching waits for the end
    hellos_[request.session] = {request.request_id, std::move(hello)};
  } else {
    admission_.on_hello(request.session, request.request_id, hello);
  }
  return {};
}

Status Volume::on_prepare_write(const Request& request) {
  auto message = DD_TRY(decode<PrepareWriteMessage>(request.body));
  const std::uint64_t chunk_count = store_.facts().geometry.chunk_count();
  for (const ChunkRange range : message.ranges)
    if (range.end() > chunk_count)
      return fail(ErrorCode::kUsage,
                  fmt::format("chunk {} is beyond the end of the volume", range.end() - 1));
  writes_.park(request.session, request.request_id, std::move(message.ranges));
  has_runnable_writes_ = true;
  return {};
}

Status Volume::on_locate(const Request& request) {
  auto message = DD_TRY(decode<LocateMessage>(request.body));
  questions_.park(request.session, request.request_id, SnapshotQuestions::Kind::kLocate,
                  std::move(message.ranges));
  return {};
}

Status Volume::on_prepare_snapshot_write(const Request& request) {
  auto message = DD_TRY(decode<PrepareSnapshotWriteMessage>(request.body));
  questions_.park(request.session, request.request_id, SnapshotQuestions::Kind::kPrepareWrite,
                  std::move(message.ranges));
  return {};
}

Status Volume::on_barrier_ack(const Request& request) {
  const auto message = DD_TRY(decode<BarrierAckMessage>(request.body));
  creation_.on_ack(request.session, message.number, request.now);
  return {};
}

Status Volume::on_dropped_ack(const Request& request) {
  DD_TRY(decode<DroppedAckMessage>(request.body));
  dropping_.on_ack(request.session);
  finish_dropping();
  return {};
}

Status Volume::on_invalidate_ack(const Request& request) {
  const auto message = DD_TRY(decode<InvalidateAckMessage>(request.body));
  questions_.on_invalidate_ack(request.session, message.number);
  return {};
}

Status Volume::on_detach(const Request& request) {
  DD_TRY(decode<DetachMessage>(request.body));
  const std::uint32_t id = attachments_.binding_of(request.session)->attachment_id;
  const Attachment attachment = *attachments_.find(id);
  DD_TRY(detach(attachment, request.now));
  const bool is_last = std::ranges::none_of(store_.attachments(), &Attachment::is_origin);
  if (attachment.is_origin && is_last) origin_watch_.on_last_detach();
  out_.send_ok(request.session, request.request_id);
  return {};
}

Status Volume::on_force_detach(const Request& request) {
  const auto message = DD_TRY(decode<ForceDetachMessage>(request.body));
  const Attachment* found = attachments_.find_label(message.label);
  if (found == nullptr)
    return fail(ErrorCode::kNotFound, fmt::format("no target {} is attached", message.label));
  const Attachment attachment = *found;
  const auto session = attachments_.session_of(attachment.id);
  DD_TRY(detach(attachment, request.now));
  if (session) out_.close(*session);
  log_.warning("target {} was detached by force", attachment.label);
  out_.send_ok(request.session, request.request_id);
  return {};
}

Status Volume::detach(const Attachment& attachment, Now now) {
  const auto session = attachments_.session_of(attachment.id);
  DD_TRY(attachments_.detach(attachment.id));
  log_.info("target {} is detached", attachment.label);
  if (session) {
    writes_.forget(*session);
    questions_.on_disconnect(*session);
    creation_.on_detached(*session, now);
  }
  finish_dropping();
  return {};
}

// The policy does it itself while it makes room, and must see that something was removed.
void Volume::finish_dropping() {
  if (!policy_.is_making_room()) dropping_.finish_ready();
}

// ---- command line ----

Status Volume::on_create(const Request& request) {
  creation_.request(request.session, request.request_id,
                    DD_TRY(decode<CreateSnapshotMessage>(request.body)));
  return {};
}

Status Volume::on_prepare_snapshot(const Request& request) {
  creation_.prepare(request.session, request.request_id,
                    DD_TRY(decode<PrepareSnapshotMessage>(request.body)));
  return {};
}

Status Volume::on_commit_snapshot(const Request& request) {
  const auto message = DD_TRY(decode<CommitSnapshotMessage>(request.body));
  DD_TRY(creation_.commit_held(request.session, message.uuid, request.now));
  out_.send_ok(request.session, request.request_id);
  return {};
}

Status Volume::on_abort_snapshot(const Request& request) {
  const auto message = DD_TRY(decode<AbortSnapshotMessage>(request.body));
  DD_TRY(creation_.abort_held(request.session, message.uuid));
  out_.send_ok(request.session, request.request_id);
  return {};
}

Status Volume::on_delete(const Request& request) {
  DD_TRY(commands_.remove(DD_TRY(decode<DeleteSnapshotMessage>(request.body))));
  out_.send_ok(request.session, request.request_id);
  return {};
}

Status Volume::on_list(const Request& request) {
  const auto message = DD_TRY(decode<ListSnapshotsMessage>(request.body));
  out_.send(request.session, request.request_id, commands_.list(message));
  return {};
}

Status Volume::on_status(const Request& request) {
  DD_TRY(decode<GetStatusMessage>(request.body));
  out_.send(request.session, request.request_id, status_of(parts_, swap_on_origin_));
  return {};
}

Status Volume::on_priority(const Request& request) {
  DD_TRY(commands_.set_priority(DD_TRY(decode<SetPriorityMessage>(request.body))));
  out_.send_ok(request.session, request.request_id);
  return {};
}

Status Volume::on_use_count(const Request& request) {
  const auto message = DD_TRY(decode<AddUseCountMessage>(request.body));
  out_.send(request.session, request.request_id, DD_TRY(commands_.add_use_count(message)));
  return {};
}

Status Volume::on_changelist(const Request& request) {
  changelists_.park(request.session, request.request_id,
                    DD_TRY(decode<GetChangelistMessage>(request.body)));
  return {};
}

Status Volume::on_check_store(const Request& request) {
  return checks_.park(request.session, request.request_id,
                      DD_TRY(decode<CheckStoreMessage>(request.body)));
}

Status Volume::on_resize(const Request& request) {
  if (creation_.is_barrier_on())
    return fail(ErrorCode::kBusy, "a snapshot is being made; ask again");
  const auto message = DD_TRY(decode<ResizeMessage>(request.body));
  out_.send(request.session, request.request_id, DD_TRY(resize_.run(message)));
  return {};
}

Status Volume::on_list_targets(const Request& request) {
  const auto message = DD_TRY(decode<ListTargetsMessage>(request.body));
  out_.send(request.session, request.request_id, targets_of(parts_, message));
  return {};
}

}  // namespace ddsnap
