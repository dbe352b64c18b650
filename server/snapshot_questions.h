// The questions of snapshot targets: where chunks live (LOCATE), and places of their own to write
// to (PREPARE_SNAPSHOT_WRITE), which all targets of a snapshot that has several must hear of first
// (T6).
//
// Shape     Parked per session, answered in order, in parts of at most kMaxChunksPerAnswer, a
//           bounded number a turn, round robin (T7). While an invalidation of a snapshot is under
//           way its questions wait: an answer would tell a second target of a place that a third
//           does not know yet (timeline 14). A target must therefore acknowledge an INVALIDATE
//           without waiting for an answer.
// Errors    Per chunk, as kNowhere with an errno: EIO for a snapshot that was given up, for damage
//           and for a failed store, ENOSPC for a private write without room (nothing is evicted),
//           EINVAL beyond the snapshot's end.
// Threads   None inside.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "server/now.h"
#include "server/volume_parts.h"

namespace ddsnap {

class SnapshotQuestions {
 public:
  explicit SnapshotQuestions(VolumeParts parts) : parts_(parts) {}

  enum class Kind { kLocate, kPrepareWrite };
  void park(SessionId session, std::uint64_t request_id, Kind kind, std::vector<ChunkRange> ranges);
  std::size_t count_of(SessionId session) const;

  // One turn. Afterwards has_runnable() says whether another would do something.
  void run(std::uint64_t now_ns);
  bool has_runnable() const;

  // While held, a session gets no answers: it has not taken those it has.
  void hold(SessionId session, bool is_held);

  // A target has come to a snapshot. Another one that was alone with it may not have read yet what
  // it was told of new places; until it has, the snapshot's questions wait.
  void on_attach(SessionId newcomer, Epoch snapshot, std::uint64_t now_ns);
  void on_invalidate_ack(SessionId session, std::uint64_t number);
  void on_disconnect(SessionId session);
  // Cuts off the targets that are late with their acknowledgement.
  void on_time(std::uint64_t now_ns);
  std::optional<std::uint64_t> deadline_ns() const;

 private:
  struct Question {
    std::uint64_t request_id = 0;
    Kind kind = Kind::kLocate;
    std::vector<ChunkRange> ranges;
    std::size_t range_index = 0;
    std::uint32_t chunk_index = 0;  // within that range
    bool is_done() const { return range_index == ranges.size(); }
  };
  // An answer that waits until all targets of the snapshot have forgotten the old place.
  struct WaitingAnswer {
    SessionId asker;
    std::uint64_t request_id = 0;
    LocatedMessage answer;
  };
  struct Invalidation {
    std::uint64_t number = 0;
    std::optional<WaitingAnswer> answer;
    std::set<SessionId> awaited;
    std::uint64_t deadline_ns = 0;
  };

  bool is_runnable(SessionId session) const;
  std::uint32_t answer_part(SessionId session, std::uint64_t now_ns);
  std::vector<ChunkNr> take_piece(Question& question, std::uint32_t at_most) const;
  std::vector<LocatedEntry> locate(Epoch snapshot, const std::vector<ChunkNr>& chunks);
  void locate_run(const BoundaryFacts& snapshot, ChunkRange run, std::vector<LocatedEntry>& out);
  std::vector<ChunkRange> make_private(Epoch snapshot, std::vector<LocatedEntry>& entries);
  void invalidate(Epoch snapshot, const std::vector<SessionId>& targets,
                  const std::vector<ChunkRange>& ranges, std::optional<WaitingAnswer> answer,
                  std::uint64_t now_ns);
  void settle(Epoch snapshot);

  VolumeParts parts_;
  std::map<SessionId, std::deque<Question>> queues_;  // none is empty
  std::map<Epoch, Invalidation> invalidations_;       // at most one of a snapshot
  std::set<SessionId> held_;
  std::set<SessionId> told_alone_;  // of new places, and no acknowledgement has come since
  std::uint64_t last_number_ = 0;
  SessionId last_first_;
};

}  // namespace ddsnap
