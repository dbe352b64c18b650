#include "server/dropping.h"

#include "server/attachment_table.h"
#include "server/now.h"

namespace ddsnap {

Dropping::Dropping(VolumeParts parts) : parts_(parts) {
  adopt_marked();
}

void Dropping::adopt_marked() {
  for (Epoch after;;) {
    const auto page = parts_.store.boundaries(after, kMaxSnapshotListEntries);
    if (page.empty()) break;
    for (const BoundaryFacts& boundary : page)
      if (boundary.is_dropping && snapshots_.insert(boundary.epoch).second)
        for (const SessionId session : parts_.attachments.snapshot_sessions(boundary.epoch))
          tell(session);
    after = page.back().epoch;
  }
  is_behind_ = !snapshots_.empty();
}

Status Dropping::begin(Epoch snapshot, std::uint64_t now_ns) {
  DD_TRY(parts_.store.mark_dropping(snapshot));
  snapshots_.insert(snapshot);
  for (const SessionId session : parts_.attachments.snapshot_sessions(snapshot)) tell(session);
  awaited_ = snapshot;
  awaited_until_ns_ = now_ns + kDropDeadline_ms * kNsPerMs;
  return {};
}

void Dropping::tell(SessionId session) {
  parts_.out.send(session, 0, DroppedMessage{});
}

void Dropping::on_ack(SessionId session) {
  const AttachmentTable::Binding* binding = parts_.attachments.binding_of(session);
  if (binding != nullptr) acked_.insert(binding->attachment_id);
}

bool Dropping::has_readers(Epoch snapshot) const {
  for (const std::uint32_t id : parts_.attachments.of_snapshot(snapshot))
    if (!acked_.contains(id)) return true;
  return false;
}

bool Dropping::finish_ready() {
  std::uint32_t removals = 0;
  is_behind_ = false;
  if (parts_.store.failed()) return false;
  for (auto at = snapshots_.begin(); at != snapshots_.end();) {
    const Epoch snapshot = *at;
    const auto facts = parts_.store.find(snapshot);
    if (!facts || !facts->is_dropping) {  // a user has given it up meanwhile
      at = snapshots_.erase(at);
      continue;
    }
    if (removals == kMaxDropsPerTurn) {
      is_behind_ = true;
      break;
    }
    if (has_readers(snapshot)) {
      ++at;
      continue;
    }
    const Status removed = parts_.store.remove(snapshot, SnapStore::Keep::kDropped);
    if (!removed) {
      parts_.log.error("cannot finish dropping a snapshot: {}", removed.error().message());
      ++at;
      continue;
    }
    ++removals;
    if (awaited_ == snapshot) awaited_ = {};
    at = snapshots_.erase(at);
  }
  return removals != 0;
}

bool Dropping::is_waiting(std::uint64_t now_ns) const {
  if (!awaited_ || now_ns >= awaited_until_ns_ || !has_readers(awaited_)) return false;
  // An absent target cannot answer: its slots stay quarantined, and nobody waits for it.
  for (const std::uint32_t id : parts_.attachments.of_snapshot(awaited_))
    if (!acked_.contains(id) && !parts_.attachments.is_present(id)) return false;
  return true;
}

std::optional<std::uint64_t> Dropping::deadline_ns() const {
  if (!awaited_) return std::nullopt;
  return awaited_until_ns_;
}

}  // namespace ddsnap
