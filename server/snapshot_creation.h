// Making snapshots and bookmarks: one at a time, each one instant in the order of acknowledged
// writes (T2), the same uuid twice being one (S6).
//
// Shape     request() queues; start_next() begins the oldest one, with a barrier when origin
//           targets are attached. While is_barrier_on() nobody may be granted or attached.
// Errors    Told to the client: kExists, kBusy (an origin target is absent, late, or went away),
//           kNoSpace, and whatever the origin's flush or the store says. A client that has gone is
//           no reason to stop.
// Threads   None inside.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "ddsnap/base/random.h"
#include "server/barrier.h"
#include "server/now.h"
#include "server/volume_parts.h"

namespace ddsnap {

class SnapshotCreation {
 public:
  SnapshotCreation(VolumeParts parts, RandomSource& random);

  void request(SessionId client, std::uint64_t request_id, CreateSnapshotMessage message);
  // Requires: !is_barrier_on().
  void start_next(Now now);
  bool has_queued() const { return !queue_.empty(); }
  bool is_barrier_on() const { return barrier_.has_value(); }
  std::optional<std::uint64_t> deadline_ns() const;

  void on_ack(SessionId session, std::uint64_t number, Now now);
  // A connection ended; `label` names the target that it was.
  void on_lost(SessionId session, const std::string& label);
  void on_detached(SessionId session, Now now);
  void on_time(Now now);

 private:
  struct Request {
    SessionId client;
    std::uint64_t request_id = 0;
    CreateSnapshotMessage message;
  };

  Result<bool> is_done_already(const CreateSnapshotMessage& message) const;
  Status check_room() const;
  Status check_targets();
  void begin_barrier(Now now);
  void finish_if_complete(Now now);
  Status commit(Now now);
  void release();
  void abort_barrier(const std::string& why);
  void answer(const Status& outcome);

  VolumeParts parts_;
  std::deque<Request> queue_;  // front: the one that is on, when a barrier is
  std::optional<Barrier> barrier_;
  std::uint64_t last_number_;
};

}  // namespace ddsnap
