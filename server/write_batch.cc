#include "server/write_batch.h"

#include <algorithm>
#include <cerrno>

namespace ddsnap {

namespace {

// A ChunkRange counts in 32 bits, a volume of 2^32 chunks does not fit one.
std::vector<ChunkRange> whole_volume(std::uint64_t chunk_count) {
  constexpr std::uint64_t kHalf = std::uint64_t{1} << 31;
  std::vector<ChunkRange> ranges;
  for (std::uint64_t first = 0; first < chunk_count; first += kHalf)
    ranges.push_back({{static_cast<std::uint32_t>(first)},
                      static_cast<std::uint32_t>(std::min(kHalf, chunk_count - first))});
  return ranges;
}

std::vector<ChunkRange> sorted_ranges(std::vector<ChunkNr>& chunks) {
  std::ranges::sort(chunks);
  return ranges_of(chunks);
}

}  // namespace

Result<WriteBatch::Outcome> WriteBatch::run(bool may_copy) {
  if (asks_.is_empty()) return Outcome{};
  if (!parts_.store.newest_boundary()) {
    grant_whole_volume();
    return Outcome{};
  }
  Turn turn;
  turn.may_copy = may_copy;
  collect(turn);
  if (!turn.batch.empty()) {
    const Status prepared = parts_.store.prepare_writes(turn.batch);
    if (!prepared && prepared.error().code != ErrorCode::kNoSpace) {
      undo(turn);
      send(turn);  // what needed no copy is granted all the same
      return std::unexpected(prepared.error());
    }
    if (!prepared)
      for (WriteAsk& ask : turn.batch) ask.outcome = WriteAsk::Outcome::kNoSpace;
  }
  Outcome outcome;
  outcome.has_found_no_room = settle(turn);
  send(turn);
  outcome.has_more = turn.is_budget_spent && !asks_.is_empty();
  return outcome;
}

void WriteBatch::grant_whole_volume() {
  const auto ranges = whole_volume(parts_.store.facts().geometry.chunk_count());
  for (const SessionId session : asks_.next_round()) {
    for (ParkedWrite& ask : asks_.queue_of(session)) send_grants(session, ask, ranges, 0, true);
    asks_.forget(session);
  }
}

void WriteBatch::collect(Turn& turn) {
  std::vector<SessionId> round = asks_.next_round();
  while (!round.empty() && !turn.is_budget_spent)
    std::erase_if(round, [&](SessionId session) {
      return turn.is_budget_spent || !take_share(turn, session);
    });
}

// True while the session has more to take in this turn.
bool WriteBatch::take_share(Turn& turn, SessionId session) {
  std::uint32_t taken = 0;
  for (ParkedWrite& ask : asks_.queue_of(session)) {
    if (!ask.peek()) continue;
    const auto [known, is_new] = turn.answer_of.try_emplace(&ask, turn.answers.size());
    if (is_new) turn.answers.push_back({.session = session, .ask = &ask});
    while (const auto chunk = ask.peek()) {
      if (taken == kFairShareChunks) return true;
      if (!take_chunk(turn, known->second, *chunk)) return false;
      ask.take();
      ++taken;
    }
  }
  return false;
}

// False when this chunk must wait for another turn.
bool WriteBatch::take_chunk(Turn& turn, std::size_t answer_index, ChunkNr chunk) {
  if (turn.looks == kMaxLooksPerTurn) {
    turn.is_budget_spent = true;
    return false;
  }
  ++turn.looks;
  if (parts_.store.is_granted(chunk)) {
    turn.answers[answer_index].granted.push_back(chunk);
    return true;
  }
  if (!turn.may_copy) return false;
  auto place = turn.batch_index_of.find(chunk);
  if (place == turn.batch_index_of.end()) {
    if (turn.batch.size() >= parts_.store.max_batch_chunks()) {
      turn.is_budget_spent = true;
      return false;
    }
    place = turn.batch_index_of.emplace(chunk, turn.batch.size()).first;
    turn.batch.push_back({.chunk = chunk});
  }
  turn.waiting.push_back({answer_index, place->second});
  return true;
}

void WriteBatch::undo(Turn& turn) {
  for (const Waiting& waiting : turn.waiting)
    turn.answers[waiting.answer_index].ask->put_back(turn.batch[waiting.batch_index].chunk);
}

// Hands the store's outcomes to the asks. True when some found no room.
bool WriteBatch::settle(Turn& turn) {
  bool has_found_no_room = false;
  for (const Waiting& waiting : turn.waiting) {
    Answer& answer = turn.answers[waiting.answer_index];
    const WriteAsk& ask = turn.batch[waiting.batch_index];
    switch (ask.outcome) {
      case WriteAsk::Outcome::kGranted:
        answer.granted.push_back(ask.chunk);
        if (ask.is_content_lost)
          parts_.log.error(
              "chunk {} of the origin cannot be read: it is lost in the snapshots, and "
              "may be written",
              ask.chunk.value);
        break;
      case WriteAsk::Outcome::kOriginUnreadable:
        answer.unreadable.push_back(ask.chunk);
        break;
      case WriteAsk::Outcome::kNoSpace:
        has_found_no_room = true;
        answer.ask->put_back(ask.chunk);
        break;
      case WriteAsk::Outcome::kPending:
        DD_CHECK(false);
    }
  }
  return has_found_no_room;
}

void WriteBatch::send(Turn& turn) {
  std::set<SessionId> sessions;
  for (Answer& answer : turn.answers) {
    sessions.insert(answer.session);
    const bool is_done = !answer.ask->peek();
    if (!answer.granted.empty())
      send_grants(answer.session, *answer.ask, sorted_ranges(answer.granted), 0,
                  is_done && answer.unreadable.empty());
    if (!answer.unreadable.empty())
      send_grants(answer.session, *answer.ask, sorted_ranges(answer.unreadable), EIO, is_done);
  }
  for (const SessionId session : sessions) asks_.drop_done(session);
}

void WriteBatch::send_grants(SessionId session, const ParkedWrite& ask,
                             const std::vector<ChunkRange>& ranges, int result_errno,
                             bool is_last) {
  for (std::size_t at = 0; at < ranges.size(); at += kMaxRangesPerMessage) {
    const std::size_t end = std::min<std::size_t>(at + kMaxRangesPerMessage, ranges.size());
    GrantMessage grant{.epoch = parts_.store.last_created(),
                       .result_errno = result_errno,
                       .is_last = is_last && end == ranges.size()};
    grant.ranges.assign(ranges.begin() + static_cast<std::ptrdiff_t>(at),
                        ranges.begin() + static_cast<std::ptrdiff_t>(end));
    parts_.out.send(session, ask.request_id(), grant);
  }
}

void WriteBatch::refuse_put_back(int result_errno) {
  for (const SessionId session : asks_.next_round()) {
    for (ParkedWrite& ask : asks_.queue_of(session)) {
      std::vector<ChunkNr> chunks = ask.take_put_back();
      if (!chunks.empty())
        send_grants(session, ask, sorted_ranges(chunks), result_errno, !ask.peek());
    }
    asks_.drop_done(session);
  }
}

void WriteBatch::refuse_all(int result_errno) {
  for (const SessionId session : asks_.next_round()) {
    for (ParkedWrite& ask : asks_.queue_of(session))
      send_grants(session, ask, ask.take_rest(), result_errno, true);
    asks_.forget(session);
  }
}

}  // namespace ddsnap
