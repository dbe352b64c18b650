#include "server/snapshot_creation.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "server/attachment_table.h"

namespace ddsnap {

// The first number is any, so that an acknowledgement meant for an earlier server never fits.
SnapshotCreation::SnapshotCreation(VolumeParts parts, RandomSource& random)
    : parts_(parts), last_number_(random.next_u64() >> 1) {}

void SnapshotCreation::request(SessionId client, std::uint64_t request_id,
                               CreateSnapshotMessage message) {
  queue({client, request_id, std::move(message), std::nullopt});
}

void SnapshotCreation::prepare(SessionId client, std::uint64_t request_id,
                               PrepareSnapshotMessage message) {
  queue({client, request_id, std::move(message.snapshot), message.hold_ms});
}

void SnapshotCreation::queue(Request request) {
  if (queue_.size() >= kMaxQueuedCreates) {
    parts_.out.send_error(
        request.client, request.request_id,
        fail(ErrorCode::kBusy, fmt::format("{} snapshots are being created", queue_.size()))
            .error());
    return;
  }
  queue_.push_back(std::move(request));
}

void SnapshotCreation::start_next(Now now) {
  DD_CHECK(!is_barrier_on());
  if (queue_.empty()) return;
  const CreateSnapshotMessage& message = queue_.front().message;
  const Result<bool> done = is_done_already(message);
  if (!done) return answer(std::unexpected(done.error()));
  if (*done) return answer({});
  if (const Status room = check_room(); !room) return answer(room);
  if (const Status targets = check_targets(); !targets) return answer(targets);
  begin_barrier(now);
}

// S6: the uuid is the client's name for this one act.
Result<bool> SnapshotCreation::is_done_already(const CreateSnapshotMessage& message) const {
  const auto same_uuid = parts_.store.find(message.uuid);
  if (same_uuid && same_uuid->tag == message.tag) return true;
  if (same_uuid)
    return fail(ErrorCode::kExists,
                fmt::format("the uuid of this snapshot is that of {}", same_uuid->tag));
  if (parts_.store.find(message.tag))
    return fail(ErrorCode::kExists, fmt::format("snapshot {} already exists", message.tag));
  return false;
}

Status SnapshotCreation::check_room() const {
  if (parts_.store.failed()) return with_context("no snapshot can be made", *parts_.store.failed());
  if (parts_.config.is_without_store)
    return fail(ErrorCode::kFailed, "the origin was opened without its snapstore");
  const StepDown& fall = parts_.store.step_down();
  if (fall.rung != Rung::kWorks && !queue_.front().message.is_bookmark)
    return fail(
        ErrorCode::kFailed,
        fmt::format("the snapstore takes no new snapshots ({}); see 'ddsnap status'", fall.why));
  if (parts_.store.boundary_count() < kMaxSnapshots) return {};
  std::uint64_t live = 0;
  for (Epoch after;;) {
    const auto page = parts_.store.boundaries(after, kMaxSnapshotListEntries);
    if (page.empty()) break;
    after = page.back().epoch;
    for (const BoundaryFacts& boundary : page) live += boundary.kind == BoundaryKind::kLive;
  }
  const bool is_bookmark = queue_.front().message.is_bookmark;
  if (!is_bookmark && live >= kMaxSnapshots)
    return fail(ErrorCode::kNoSpace,
                fmt::format("there are {} snapshots, and there can be no more", live));
  if (parts_.store.boundary_count() >= kMaxBoundaries)
    return fail(ErrorCode::kNoSpace,
                fmt::format("there are {} snapshots and bookmarks, and there can be no more",
                            parts_.store.boundary_count()));
  return {};
}

// T4: a lost origin target may still be writing under old grants.
Status SnapshotCreation::check_targets() {
  parts_.attachments.forget_gone(Epoch{});
  const Attachment* absent = parts_.attachments.absent_origin();
  if (absent == nullptr) return {};
  return fail(ErrorCode::kBusy,
              fmt::format("target {} is attached but not connected; wait for it, or "
                          "'ddsnap detach --force {}'",
                          absent->label, absent->label));
}

void SnapshotCreation::begin_barrier(Now now) {
  const std::uint64_t patience_ms = queue_.front().hold_ms.value_or(kBarrierDeadline_ms);
  barrier_.emplace(++last_number_, parts_.attachments.origin_sessions(),
                   now.steady_ns + patience_ms * kNsPerMs);
  for (const SessionId session : barrier_->members())
    parts_.out.send(session, 0, BarrierMessage{barrier_->number()});
  finish_if_complete(now);
}

std::optional<std::uint64_t> SnapshotCreation::deadline_ns() const {
  if (!barrier_) return std::nullopt;
  return barrier_->deadline_ns();
}

void SnapshotCreation::on_ack(SessionId session, std::uint64_t number, Now now) {
  if (!barrier_) return;
  barrier_->on_ack(session, number);
  finish_if_complete(now);
}

void SnapshotCreation::on_detached(SessionId session, Now now) {
  if (!barrier_) return;
  barrier_->leave(session);
  finish_if_complete(now);
}

void SnapshotCreation::on_lost(SessionId session, const std::string& label) {
  if (!barrier_ || !barrier_->is_member(session)) return;
  barrier_->leave(session);
  abort_barrier(fmt::format("target {} lost its connection during the snapshot", label));
}

void SnapshotCreation::on_time(Now now) {
  if (!barrier_ || now.steady_ns < barrier_->deadline_ns()) return;
  if (is_held_) return abort_barrier("its client did not commit it in time");
  const auto* late = parts_.attachments.binding_of(*barrier_->awaited().begin());
  abort_barrier(fmt::format("target {} did not stop its writes in time",
                            late == nullptr ? "?" : late->label));
}

// A client that has gone commits nothing: its connection would have carried the order. Without the
// barrier (front only) its other requests go too.
void SnapshotCreation::on_client_gone(SessionId session) {
  const auto is_its_hold = [&](const Request& request) {
    return request.client == session && request.hold_ms.has_value();
  };
  if (barrier_ && is_its_hold(queue_.front())) abort_barrier("its client has gone");
  const auto kept = barrier_ ? queue_.begin() + 1 : queue_.begin();
  queue_.erase(std::remove_if(kept, queue_.end(), is_its_hold), queue_.end());
}

Status SnapshotCreation::commit_held(SessionId client, const Uuid& uuid, Now now) {
  if (is_held_ && queue_.front().client == client && queue_.front().message.uuid == uuid) {
    const Status outcome = commit(now);
    release();
    return close_front(outcome);
  }
  if (parts_.store.find(uuid)) return {};
  return fail(ErrorCode::kBusy, "the snapshot is not held any more: its time was over");
}

Status SnapshotCreation::abort_held(SessionId client, const Uuid& uuid) {
  if (parts_.store.find(uuid))
    return fail(ErrorCode::kExists, "the snapshot was committed already");
  const auto found = std::ranges::find_if(queue_, [&](const Request& request) {
    return request.client == client && request.hold_ms && request.message.uuid == uuid;
  });
  if (found == queue_.end()) return {};
  if (barrier_ && found == queue_.begin())
    abort_barrier("its client gave it up");
  else
    queue_.erase(found);
  return {};
}

void SnapshotCreation::finish_if_complete(Now now) {
  if (!barrier_->is_complete() || is_held_) return;
  if (queue_.front().hold_ms) return hold();
  Status outcome = flush_origin();
  if (outcome) outcome = commit(now);
  release();
  answer(outcome);
}

void SnapshotCreation::hold() {
  if (const Status flushed = flush_origin(); !flushed) {
    release();
    return answer(flushed);
  }
  is_held_ = true;
  parts_.out.send_ok(queue_.front().client, queue_.front().request_id);
}

// Everything acknowledged before is on the origin for good, then the instant is recorded
// (timeline 3). Nothing is written in between, however long it is held.
Status SnapshotCreation::flush_origin() {
  const Status flushed = parts_.origin.flush();
  if (!flushed) return with_context("cannot flush the origin", flushed.error());
  return {};
}

Status SnapshotCreation::commit(Now now) {
  const CreateSnapshotMessage& message = queue_.front().message;
  const NewBoundary boundary{.uuid = message.uuid,
                             .tag = message.tag,
                             .priority = message.priority,
                             .is_bookmark = message.is_bookmark,
                             .created_ns = now.wall_ns};
  DD_TRY(parts_.store.create(boundary));
  return {};
}

void SnapshotCreation::release() {
  // After an abort the epoch is what it was; the targets' grants are void all the same.
  for (const SessionId session : barrier_->members())
    parts_.out.send(session, 0, ReleaseMessage{barrier_->number(), parts_.store.last_created()});
  barrier_.reset();
}

void SnapshotCreation::abort_barrier(const std::string& why) {
  release();
  answer(fail(ErrorCode::kBusy, why));
}

void SnapshotCreation::answer(const Status& outcome) {
  const SessionId client = queue_.front().client;
  const std::uint64_t request_id = queue_.front().request_id;
  const bool was_told = std::exchange(is_held_, false);
  const Status closed = close_front(outcome);
  if (was_told) return;  // that it is held; the commit will hear that it is not
  if (closed)
    parts_.out.send_ok(client, request_id);
  else
    parts_.out.send_error(client, request_id, closed.error());
}

Status SnapshotCreation::close_front(const Status& outcome) {
  const CreateSnapshotMessage message = std::move(queue_.front().message);
  queue_.pop_front();
  is_held_ = false;
  const char* kind = message.is_bookmark ? "bookmark" : "snapshot";
  if (outcome)
    parts_.log.info("{} {} is there", kind, message.tag);
  else
    parts_.log.warning("{} {} was not made: {}", kind, message.tag, outcome.error().message());
  return outcome;
}

}  // namespace ddsnap
