// Making snapshots and bookmarks: one at a time, each one instant in the order of acknowledged
// writes (T2), the same uuid twice being one (S6).
//
// Shape     request() queues; start_next() begins the oldest one, with a barrier when origin
//           targets are attached. While is_barrier_on() nobody may be granted or attached.
//           prepare() queues too, but its barrier, once it is complete and the origin flushed, is
//           *held* until its client says commit or abort, is gone, or its time is over: so a client
//           can have the barriers of several volumes at one instant.
// Errors    Told to the client: kExists, kBusy (an origin target is absent, late, or went away;
// what was held is not any more),
//           kNoSpace, and whatever the origin's flush or the store says. A client that has gone is
//           no reason to stop.
// Threads   None inside.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "ddsnap/base/random.h"
#include "ddsnap/wire/cli_messages.h"
#include "server/barrier.h"
#include "server/now.h"
#include "server/volume_parts.h"

namespace ddsnap {

class SnapshotCreation {
 public:
  SnapshotCreation(VolumeParts parts, RandomSource& random);

  void request(SessionId client, std::uint64_t request_id, CreateSnapshotMessage message);
  void prepare(SessionId client, std::uint64_t request_id, PrepareSnapshotMessage message);
  // Success also when it was committed before (S6); kBusy when nothing is held under that uuid.
  Status commit_held(SessionId client, const Uuid& uuid, Now now);
  // Success also when nothing is held under that uuid; kExists when it was committed.
  Status abort_held(SessionId client, const Uuid& uuid);
  // Requires: !is_barrier_on().
  void start_next(Now now);
  bool has_queued() const { return !queue_.empty(); }
  bool is_barrier_on() const { return barrier_.has_value(); }
  std::optional<std::uint64_t> deadline_ns() const;

  void on_ack(SessionId session, std::uint64_t number, Now now);
  // A connection ended; `label` names the target that it was.
  void on_lost(SessionId session, const std::string& label);
  // Its client may be gone, too: then what it holds is released.
  void on_client_gone(SessionId session);
  void on_detached(SessionId session, Now now);
  void on_time(Now now);

 private:
  struct Request {
    SessionId client;
    std::uint64_t request_id = 0;
    CreateSnapshotMessage message;
    std::optional<std::uint64_t> hold_ms;  // of a prepare()
  };

  void queue(Request request);
  void hold();
  Result<bool> is_done_already(const CreateSnapshotMessage& message) const;
  Status check_room() const;
  Status check_targets();
  void begin_barrier(Now now);
  void finish_if_complete(Now now);
  Status flush_origin();
  Status commit(Now now);
  void release();
  void abort_barrier(const std::string& why);
  void answer(const Status& outcome);
  Status close_front(const Status& outcome);

  VolumeParts parts_;
  std::deque<Request> queue_;  // front: the one that is on, when a barrier is
  std::optional<Barrier> barrier_;
  bool is_held_ = false;  // the barrier is complete, its client told, the origin flushed
  std::uint64_t last_number_;
};

}  // namespace ddsnap
