#include "server/snapshot_questions.h"

#include <algorithm>
#include <cerrno>

#include "server/attachment_table.h"
#include "server/write_asks.h"

namespace ddsnap {

namespace {

LocatedEntry nowhere(ChunkNr chunk, int result_errno) {
  return {.chunk = chunk,
          .place = Place::kNowhere,
          .slot = {},
          .hash = {},
          .result_errno = result_errno};
}

LocatedEntry entry_of(ChunkNr chunk, const Location& location) {
  switch (location.place) {
    case Location::Place::kOrigin:
      return {.chunk = chunk, .place = Place::kOrigin};
    case Location::Place::kSlot:
      return {.chunk = chunk, .place = Place::kSlot, .slot = location.slot, .hash = location.hash};
    case Location::Place::kZero:
      return {.chunk = chunk, .place = Place::kZero, .slot = {}, .hash = location.hash};
    case Location::Place::kPrivate:
      return {.chunk = chunk, .place = Place::kPrivate, .slot = location.slot};
    case Location::Place::kDamaged:
      return nowhere(chunk, EIO);
  }
  return nowhere(chunk, EIO);
}

bool is_readable(const std::optional<BoundaryFacts>& snapshot) {
  return snapshot && snapshot->kind == BoundaryKind::kLive && !snapshot->is_dropping;
}

int errno_of(const Error& error) {
  return error.code == ErrorCode::kNoSpace ? ENOSPC : EIO;
}

}  // namespace

void SnapshotQuestions::park(SessionId session, std::uint64_t request_id, Kind kind,
                             std::vector<ChunkRange> ranges) {
  queues_[session].push_back({.request_id = request_id, .kind = kind, .ranges = std::move(ranges)});
}

std::size_t SnapshotQuestions::count_of(SessionId session) const {
  const auto found = queues_.find(session);
  return found == queues_.end() ? 0 : found->second.size();
}

void SnapshotQuestions::hold(SessionId session, bool is_held) {
  if (is_held) {
    held_.insert(session);
  } else {
    held_.erase(session);
  }
}

bool SnapshotQuestions::is_runnable(SessionId session) const {
  if (held_.contains(session)) return false;
  const auto* binding = parts_.attachments.binding_of(session);
  return binding == nullptr || !invalidations_.contains(binding->snapshot);
}

bool SnapshotQuestions::has_runnable() const {
  return std::ranges::any_of(queues_, [&](const auto& queue) { return is_runnable(queue.first); });
}

void SnapshotQuestions::run(std::uint64_t now_ns) {
  std::vector<SessionId> round;
  for (const auto& [session, queue] : queues_) round.push_back(session);
  std::ranges::rotate(round, std::ranges::upper_bound(round, last_first_));
  if (!round.empty()) last_first_ = round.front();
  std::uint32_t chunks = 0;
  while (!round.empty() && chunks < kMaxLocatesPerTurn)
    std::erase_if(round, [&](SessionId session) {
      if (chunks >= kMaxLocatesPerTurn || !is_runnable(session)) return true;
      chunks += answer_part(session, now_ns);
      return !queues_.contains(session);
    });
}

// Answers the next part of the session's oldest question. Returns how many chunks that were.
std::uint32_t SnapshotQuestions::answer_part(SessionId session, std::uint64_t now_ns) {
  const auto queue = queues_.find(session);
  Question& question = queue->second.front();
  const auto* binding = parts_.attachments.binding_of(session);
  if (binding == nullptr) {  // detached meanwhile
    queues_.erase(queue);
    return 0;
  }
  const Epoch snapshot = binding->snapshot;
  const bool is_write = question.kind == Kind::kPrepareWrite;
  const auto chunks =
      take_piece(question, is_write ? std::min(parts_.store.max_batch_chunks(), kMaxChunksPerAnswer)
                                    : kMaxChunksPerAnswer);
  LocatedMessage answer{.is_last = question.is_done(), .entries = locate(snapshot, chunks)};
  std::vector<ChunkRange> moved;
  if (is_write) moved = make_private(snapshot, answer.entries);
  const std::uint64_t request_id = question.request_id;
  if (question.is_done()) {
    queue->second.pop_front();
    if (queue->second.empty()) queues_.erase(queue);
  }
  const std::vector<SessionId> all = parts_.attachments.snapshot_sessions(snapshot);
  if (moved.empty() || all.size() == 1) {
    if (!moved.empty()) told_alone_.insert(session);
    parts_.out.send(session, request_id, answer);
  } else {
    // The asker too: until it has read its answer it knows the old place, and another target may
    // ask, write and be acknowledged before that.
    invalidate(snapshot, all, moved, WaitingAnswer{session, request_id, std::move(answer)}, now_ns);
  }
  return static_cast<std::uint32_t>(chunks.size());
}

void SnapshotQuestions::invalidate(Epoch snapshot, const std::vector<SessionId>& targets,
                                   const std::vector<ChunkRange>& ranges,
                                   std::optional<WaitingAnswer> answer, std::uint64_t now_ns) {
  const std::uint64_t number = ++last_number_;
  for (const SessionId target : targets)
    parts_.out.send(target, 0, InvalidateMessage{.number = number, .ranges = ranges});
  invalidations_[snapshot] = {.number = number,
                              .answer = std::move(answer),
                              .awaited = {targets.begin(), targets.end()},
                              .deadline_ns = now_ns + kInvalidateDeadline_ms * kNsPerMs};
}

// T6: the elder, told of a new place and slow to read that, serves the old one from its memory; the
// newcomer finds the new one, writes there, and nothing would ever tell the elder. Its
// acknowledgement comes after it has read all that it was sent before, whichever chunk it is about.
void SnapshotQuestions::on_attach(SessionId newcomer, Epoch snapshot, std::uint64_t now_ns) {
  if (invalidations_.contains(snapshot)) return;  // those who are awaited read their answers first
  std::vector<SessionId> elders = parts_.attachments.snapshot_sessions(snapshot);
  std::erase_if(elders,
                [&](SessionId elder) { return elder == newcomer || !told_alone_.contains(elder); });
  if (!elders.empty()) invalidate(snapshot, elders, {{{0}, 1}}, std::nullopt, now_ns);
}

std::vector<ChunkNr> SnapshotQuestions::take_piece(Question& question,
                                                   std::uint32_t at_most) const {
  std::vector<ChunkNr> piece;
  while (!question.is_done() && piece.size() < at_most) {
    const ChunkRange& range = question.ranges[question.range_index];
    piece.push_back({range.first.value + question.chunk_index});
    if (++question.chunk_index < range.count) continue;
    question.chunk_index = 0;
    ++question.range_index;
  }
  return piece;
}

std::vector<LocatedEntry> SnapshotQuestions::locate(Epoch snapshot,
                                                    const std::vector<ChunkNr>& chunks) {
  std::vector<LocatedEntry> entries;
  const auto facts = parts_.store.find(snapshot);
  const bool is_there = is_readable(facts);
  for (std::size_t at = 0; at < chunks.size();) {
    ChunkRange run{chunks[at], 1};
    for (++at; at < chunks.size() && chunks[at].value == run.end(); ++at) ++run.count;
    if (is_there) {
      locate_run(*facts, run, entries);
    } else {
      for (std::uint32_t i = 0; i < run.count; ++i)
        entries.push_back(nowhere({run.first.value + i}, EIO));
    }
  }
  return entries;
}

void SnapshotQuestions::locate_run(const BoundaryFacts& snapshot, ChunkRange run,
                                   std::vector<LocatedEntry>& out) {
  const ChunkGeometry geometry{.chunk_shift = parts_.store.facts().geometry.chunk_shift,
                               .volume_bytes = snapshot.size_bytes};
  const std::uint64_t end = std::min(run.end(), geometry.chunk_count());
  const std::uint32_t inside =
      end > run.first.value ? static_cast<std::uint32_t>(end - run.first.value) : 0;
  std::vector<Location> locations;
  int failed_errno = 0;
  if (inside != 0) {
    const Status located = parts_.store.locate(snapshot.epoch, {run.first, inside}, locations);
    if (!located) {
      parts_.log.error("cannot look up snapshot {}: {}", snapshot.tag, located.error().message());
      failed_errno = EIO;
    }
  }
  for (std::uint32_t i = 0; i < run.count; ++i) {
    const ChunkNr chunk{run.first.value + i};
    if (i >= inside) {
      out.push_back(nowhere(chunk, EINVAL));
    } else if (failed_errno != 0) {
      out.push_back(nowhere(chunk, failed_errno));
    } else {
      out.push_back(entry_of(chunk, locations[i]));
    }
  }
}

// Gives every located chunk that has none a private slot. Returns which chunks moved to one.
std::vector<ChunkRange> SnapshotQuestions::make_private(Epoch snapshot,
                                                        std::vector<LocatedEntry>& entries) {
  std::vector<ChunkNr> wanted;
  for (const LocatedEntry& entry : entries)
    if (entry.place != Place::kPrivate && entry.place != Place::kNowhere)
      wanted.push_back(entry.chunk);
  std::ranges::sort(wanted);
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
  if (wanted.empty()) return {};
  const auto slots = parts_.store.prepare_snapshot_writes(snapshot, wanted);
  for (LocatedEntry& entry : entries) {
    const auto at = std::ranges::lower_bound(wanted, entry.chunk);
    if (at == wanted.end() || *at != entry.chunk) continue;
    if (slots) {
      entry = {.chunk = entry.chunk,
               .place = Place::kPrivate,
               .slot = (*slots)[static_cast<std::size_t>(at - wanted.begin())]};
    } else {
      entry = nowhere(entry.chunk, errno_of(slots.error()));
    }
  }
  return slots ? ranges_of(wanted) : std::vector<ChunkRange>{};
}

void SnapshotQuestions::on_invalidate_ack(SessionId session, std::uint64_t number) {
  for (auto& [snapshot, invalidation] : invalidations_) {
    if (invalidation.number != number) continue;
    invalidation.awaited.erase(session);
    told_alone_.erase(session);
    return settle(snapshot);
  }
}

void SnapshotQuestions::on_disconnect(SessionId session) {
  queues_.erase(session);
  held_.erase(session);
  told_alone_.erase(session);
  std::vector<Epoch> snapshots;
  for (auto& [snapshot, invalidation] : invalidations_)
    if (invalidation.awaited.erase(session) != 0) snapshots.push_back(snapshot);
  for (const Epoch snapshot : snapshots) settle(snapshot);
}

void SnapshotQuestions::settle(Epoch snapshot) {
  const auto found = invalidations_.find(snapshot);
  if (!found->second.awaited.empty()) return;
  if (auto& waiting = found->second.answer) {
    // Given up while its targets were asked: those slots are not to be written any more (T6).
    if (!is_readable(parts_.store.find(snapshot)))
      for (LocatedEntry& entry : waiting->answer.entries) entry = nowhere(entry.chunk, EIO);
    parts_.out.send(waiting->asker, waiting->request_id, waiting->answer);
  }
  invalidations_.erase(found);
}

void SnapshotQuestions::on_time(std::uint64_t now_ns) {
  // A target that is cut off forgets its places when it returns; its on_disconnect() settles.
  for (auto& [snapshot, invalidation] : invalidations_)
    if (now_ns >= invalidation.deadline_ns)
      for (const SessionId late : invalidation.awaited) parts_.out.close(late);
}

std::optional<std::uint64_t> SnapshotQuestions::deadline_ns() const {
  std::optional<std::uint64_t> earliest;
  for (const auto& [snapshot, invalidation] : invalidations_)
    if (!earliest || invalidation.deadline_ns < *earliest) earliest = invalidation.deadline_ns;
  return earliest;
}

}  // namespace ddsnap
