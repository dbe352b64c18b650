// The questions of origin targets ("may I write these chunks?") that wait for their grants.
//
// Shape     A FIFO per session, served round robin, a fair share at a time (T7). An ask is a
//           cursor over its ranges, so that 65,536 chunks cost no more memory than their ranges.
// Threads   None inside.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "ddsnap/base/units.h"
#include "server/session_id.h"

namespace ddsnap {

// One PREPARE_WRITE on its way.
class ParkedWrite {
 public:
  ParkedWrite(std::uint64_t request_id, std::vector<ChunkRange> ranges)
      : request_id_(request_id), ranges_(std::move(ranges)) {}

  std::uint64_t request_id() const { return request_id_; }
  // The next chunk that has no answer and is in no batch; none: all are.
  std::optional<ChunkNr> peek() const;
  void take();
  // Out of its batch without an answer: there was no room.
  void put_back(ChunkNr chunk) { again_.push_back(chunk); }
  bool has_put_back() const { return !again_.empty(); }
  // Everything that has no answer, or only what was put back; the ask has none of it afterwards.
  std::vector<ChunkRange> take_rest();
  std::vector<ChunkNr> take_put_back() { return std::exchange(again_, {}); }

 private:
  std::uint64_t request_id_;
  std::vector<ChunkRange> ranges_;
  std::size_t range_index_ = 0;
  std::uint32_t chunk_index_ = 0;  // within that range
  std::vector<ChunkNr> again_;
};

class WriteAsks {
 public:
  using Queue = std::deque<ParkedWrite>;

  void park(SessionId session, std::uint64_t request_id, std::vector<ChunkRange> ranges) {
    queues_[session].emplace_back(request_id, std::move(ranges));
  }
  void forget(SessionId session) { queues_.erase(session); }
  bool is_empty() const { return queues_.empty(); }
  std::size_t count_of(SessionId session) const;

  // Sessions with asks, the one after the last first served at the head; that one moves on by one
  // with each call.
  std::vector<SessionId> next_round();
  Queue& queue_of(SessionId session) { return queues_.at(session); }
  // Drops asks that have nothing left to answer.
  void drop_done(SessionId session);

 private:
  std::map<SessionId, Queue> queues_;  // none is empty
  SessionId last_first_;
};

// Ascending chunks as ranges. Requires: `chunks` is sorted; repeated chunks count once.
std::vector<ChunkRange> ranges_of(const std::vector<ChunkNr>& chunks);

}  // namespace ddsnap
