#include "server/write_asks.h"

#include <algorithm>

namespace ddsnap {

std::optional<ChunkNr> ParkedWrite::peek() const {
  if (!again_.empty()) return again_.back();
  if (range_index_ == ranges_.size()) return std::nullopt;
  return ChunkNr{ranges_[range_index_].first.value + chunk_index_};
}

void ParkedWrite::take() {
  if (!again_.empty()) {
    again_.pop_back();
    return;
  }
  if (++chunk_index_ < ranges_[range_index_].count) return;
  chunk_index_ = 0;
  ++range_index_;
}

std::vector<ChunkRange> ParkedWrite::take_rest() {
  std::vector<ChunkNr> again = take_put_back();
  std::ranges::sort(again);
  std::vector<ChunkRange> rest = ranges_of(again);
  for (; range_index_ < ranges_.size(); ++range_index_, chunk_index_ = 0) {
    const ChunkRange range = ranges_[range_index_];
    rest.push_back({{range.first.value + chunk_index_}, range.count - chunk_index_});
  }
  return rest;
}

std::size_t WriteAsks::count_of(SessionId session) const {
  const auto found = queues_.find(session);
  return found == queues_.end() ? 0 : found->second.size();
}

std::vector<SessionId> WriteAsks::next_round() {
  std::vector<SessionId> round;
  for (const auto& [session, queue] : queues_) round.push_back(session);
  std::ranges::rotate(round, std::ranges::upper_bound(round, last_first_));
  if (!round.empty()) last_first_ = round.front();
  return round;
}

void WriteAsks::drop_done(SessionId session) {
  const auto found = queues_.find(session);
  if (found == queues_.end()) return;
  std::erase_if(found->second, [](const ParkedWrite& ask) { return !ask.peek(); });
  if (found->second.empty()) queues_.erase(found);
}

std::vector<ChunkRange> ranges_of(const std::vector<ChunkNr>& chunks) {
  std::vector<ChunkRange> ranges;
  for (const ChunkNr chunk : chunks) {
    if (!ranges.empty() && chunk.value < ranges.back().end()) continue;
    if (!ranges.empty() && chunk.value == ranges.back().end()) {
      ++ranges.back().count;
    } else {
      ranges.push_back({chunk, 1});
    }
  }
  return ranges;
}

}  // namespace ddsnap
