// What a volume answers to each kind of message: which role may send it, how long it may be, and
// who does what it asks for.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "server/event_ring.h"
#include "server/volume.h"

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
      {MsgType::kGetSpace, &Volume::on_space, Role::kAnybody, {8, 8}},
      {MsgType::kGetEvents, &Volume::on_events, Role::kAnybody, {8, 8}},
  };
  return std::span<const Handler>(kTable);
}();

// ---- targets ----

Status Volume::on_hello(const Request& request) {
  HelloMessage hello = DD_TRY(decode<HelloMessage>(request.body));
  if (creation_.is_barrier_on()) {  // T2: attaching waits for the end
    hellos_[request.session] = {request.request_id, std::move(hello)};
  } else {
    admit(request.session, request.request_id, hello, request.now);
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

Status Volume::on_space(const Request& request) {
  const auto message = DD_TRY(decode<GetSpaceMessage>(request.body));
  out_.send(request.session, request.request_id, commands_.space(message));
  return {};
}

Status Volume::on_events(const Request& request) {
  const auto message = DD_TRY(decode<GetEventsMessage>(request.body));
  out_.send(request.session, request.request_id,
            config_.events == nullptr ? EventListMessage{} : config_.events->after(message.after));
  return {};
}

Status Volume::on_list_targets(const Request& request) {
  const auto message = DD_TRY(decode<ListTargetsMessage>(request.body));
  out_.send(request.session, request.request_id, targets_of(parts_, message));
  return {};
}

}  // namespace ddsnap
