// One batch of the write path: takes parked asks of all sessions up to the store's budget, has
// them copied out under one flush, and answers (S1, T7).
//
// Shape     run() is one turn. Chunks granted already cost no place in the batch; the same chunk
//           asked for twice is one. What finds no room stays parked.
// Errors    An error of the store grants nobody anything: run() returns it, the asks stay parked,
//           and the caller decides (S10).
// Threads   None inside.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "server/volume_parts.h"
#include "server/write_asks.h"

namespace ddsnap {

class WriteBatch {
 public:
  explicit WriteBatch(VolumeParts parts) : parts_(parts) {}

  void park(SessionId session, std::uint64_t request_id, std::vector<ChunkRange> ranges) {
    asks_.park(session, request_id, std::move(ranges));
  }
  void forget(SessionId session) { asks_.forget(session); }
  bool has_asks() const { return !asks_.is_empty(); }
  std::size_t count_of(SessionId session) const { return asks_.count_of(session); }

  struct Outcome {
    bool has_found_no_room = false;
    bool has_more = false;  // another turn would do something
  };
  // `may_copy` false: only what is granted already is answered.
  Result<Outcome> run(bool may_copy);
  // Grants everybody everything: there is nothing to be saved, or nothing to save it with.
  void grant_whole_volume();
  // Refuses what found no room.
  void refuse_put_back(int result_errno);
  // Refuses everything that waits.
  void refuse_all(int result_errno);

 private:
  // An ask's part in this turn.
  struct Answer {
    SessionId session;
    ParkedWrite* ask = nullptr;
    std::vector<ChunkNr> granted;
    std::vector<ChunkNr> unreadable;
  };
  struct Waiting {
    std::size_t answer_index;
    std::size_t batch_index;
  };
  struct Turn {
    std::vector<WriteAsk> batch;
    std::map<ChunkNr, std::size_t> batch_index_of;
    std::vector<Waiting> waiting;
    std::vector<Answer> answers;
    std::map<const ParkedWrite*, std::size_t> answer_of;
    std::uint32_t looks = 0;
    bool may_copy = true;
    bool is_budget_spent = false;
  };

  void collect(Turn& turn);
  bool take_share(Turn& turn, SessionId session);
  bool take_chunk(Turn& turn, std::size_t answer_index, ChunkNr chunk);
  void undo(Turn& turn);
  bool settle(Turn& turn);
  void send(Turn& turn);
  void send_grants(SessionId session, const ParkedWrite& ask, const std::vector<ChunkRange>& ranges,
                   int result_errno, bool is_last);

  VolumeParts parts_;
  WriteAsks asks_;
};

}  // namespace ddsnap
