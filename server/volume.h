// One protected volume as a state machine: messages and time go in, messages come out.
//
// Shape     on_*() takes one event; run_batch() does the work of one turn (a batch of copy-outs, a
//           bounded number of lookups, the next snapshot). What is to be sent waits in outbox(),
//           in order. The same events give the same answers: a simulation replays them.
// Errors    A client's mistakes are ERROR messages to that client; what breaks the protocol also
//           ends its connection. What becomes of a store that fails is decided by LadderPolicy
//           (S10).
// Threads   None inside; no sockets, no clock of its own.
// Lifetime  Borrows everything but the config for its whole life.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>

#include "ddsnap/base/log.h"
#include "ddsnap/base/random.h"
#include "server/admission.h"
#include "server/attachment_table.h"
#include "server/changelist_pager.h"
#include "server/dropping.h"
#include "server/full_store_policy.h"
#include "server/ladder_policy.h"
#include "server/now.h"
#include "server/origin_watch.h"
#include "server/outbox.h"
#include "server/ownership_probe.h"
#include "server/room_watch.h"
#include "server/session_id.h"
#include "server/snapshot_commands.h"
#include "server/snapshot_creation.h"
#include "server/snapshot_questions.h"
#include "server/store/snap_store.h"
#include "server/store_check.h"
#include "server/volume_config.h"
#include "server/volume_resize.h"
#include "server/volume_status.h"
#include "server/write_batch.h"

namespace ddsnap {

class Volume {
 public:
  Volume(SnapStore& store, BlockDevice& origin, VolumeConfig config, RandomSource& random,
         OwnershipProbe& probe, LogSink& log);

  void on_connect(SessionId session);
  void on_message(SessionId session, MsgType type, std::uint64_t request_id,
                  std::span<const std::byte> body, Now now);
  void on_disconnect(SessionId session);
  void on_time(Now now);
  void run_batch(Now now);

  // Whether run_batch() would do something now.
  bool has_work(Now now) const;
  // When on_time() wants to be called next, at the latest.
  std::optional<std::uint64_t> next_deadline_ns() const;
  // The session has as many questions waiting as it may: take no more of its messages for now.
  bool is_congested(SessionId session) const;
  // The session has many answers unsent: answer none of its lookups until it has taken them.
  void hold_answers(SessionId session, bool is_held) { questions_.hold(session, is_held); }
  Outbox& outbox() { return out_; }

 private:
  enum class Role : std::uint8_t { kAnybody, kNoTarget, kOrigin, kSnapshot, kTarget };
  struct Request {
    SessionId session;
    std::uint64_t request_id = 0;
    std::span<const std::byte> body;
    Now now;
  };
  // An error that a handler returns goes to the client, whose connection goes on.
  using HandlerFunction = Status (Volume::*)(const Request&);
  struct Handler {
    MsgType type;
    HandlerFunction function;
    Role role;
    struct {
      std::size_t min_bytes;
      std::size_t max_bytes;
    } body;
  };
  struct WaitingHello {
    std::uint64_t request_id = 0;
    HelloMessage hello;
  };
  static const std::span<const Handler> kHandlers;

  Status dispatch(const Handler& handler, const Request& request);
  bool has_role(SessionId session, Role role) const;
  void break_off(SessionId session, std::uint64_t request_id, Error error);

  Status on_hello(const Request& request);
  Status on_prepare_write(const Request& request);
  Status on_locate(const Request& request);
  Status on_prepare_snapshot_write(const Request& request);
  Status on_barrier_ack(const Request& request);
  Status on_dropped_ack(const Request& request);
  Status on_invalidate_ack(const Request& request);
  Status on_detach(const Request& request);
  Status on_create(const Request& request);
  Status on_prepare_snapshot(const Request& request);
  Status on_commit_snapshot(const Request& request);
  Status on_abort_snapshot(const Request& request);
  Status on_delete(const Request& request);
  Status on_list(const Request& request);
  Status on_status(const Request& request);
  Status on_priority(const Request& request);
  Status on_use_count(const Request& request);
  Status on_changelist(const Request& request);
  Status on_list_targets(const Request& request);
  Status on_force_detach(const Request& request);
  Status on_check_store(const Request& request);
  Status on_resize(const Request& request);
  Status on_space(const Request& request);
  Status on_events(const Request& request);

  Status detach(const Attachment& attachment, Now now);
  void finish_dropping();
  void admit_waiting(Now now);
  void admit(SessionId session, std::uint64_t request_id, const HelloMessage& hello, Now now);
  void run_writes(Now now);
  void make_room(Now now);
  void look_for_swap(Now now);

  const VolumeConfig config_;
  LogSink& log_;
  SnapStore& store_;
  Outbox out_;
  AttachmentTable attachments_;
  VolumeParts parts_;
  Dropping dropping_;
  FullStorePolicy policy_;
  LadderPolicy ladder_;
  Admission admission_;
  WriteBatch writes_;
  SnapshotCreation creation_;
  SnapshotQuestions questions_;
  ChangelistPager changelists_;
  StoreCheck checks_;
  SnapshotCommands commands_;
  OriginWatch origin_watch_;
  VolumeResize resize_;
  RoomWatch room_watch_;
  OwnershipProbe& probe_;
  std::map<SessionId, WaitingHello> hellos_;  // until the barrier ends
  bool has_runnable_writes_ = false;
  std::uint64_t next_probe_ns_ = 0;
  std::uint64_t next_swap_look_ns_ = 0;
  std::string swap_on_origin_;  // empty: none was found
};

}  // namespace ddsnap
