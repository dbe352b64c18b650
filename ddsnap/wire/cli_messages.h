// The messages between the command line and a server, types from 64 on: snapshots, changelists,
// status, checks, events.
//
// Shape, Errors, Threads    as messages.h, whose encode() and decode<M>() serve these too.
// Source                    PROTOCOL.md beside this file.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ddsnap/wire/messages.h"

namespace ddsnap {

struct CreateSnapshotMessage {
  static constexpr MsgType kType = MsgType::kCreateSnapshot;
  Uuid uuid;  // chosen by the client: the same uuid again means "done" (S6)
  std::string tag;
  std::int8_t priority = 0;
  bool is_bookmark = false;
};
// A snapshot in two steps, so that several volumes have one instant (PROTOCOL.md, section 4.4).
struct PrepareSnapshotMessage {
  static constexpr MsgType kType = MsgType::kPrepareSnapshot;
  std::uint32_t hold_ms = 0;  // from the beginning of the barrier, at most kBarrierDeadline_ms
  CreateSnapshotMessage snapshot;
};
struct CommitSnapshotMessage {
  static constexpr MsgType kType = MsgType::kCommitSnapshot;
  Uuid uuid;
};
struct AbortSnapshotMessage {
  static constexpr MsgType kType = MsgType::kAbortSnapshot;
  Uuid uuid;
};
struct DeleteSnapshotMessage {
  static constexpr MsgType kType = MsgType::kDeleteSnapshot;
  std::string tag;
  bool keep_bookmark = false;
};
struct ListSnapshotsMessage {
  static constexpr MsgType kType = MsgType::kListSnapshots;
  Epoch after;  // 0: from the first
};
enum class BoundaryState : std::uint8_t {
  kLive = 1,      // a snapshot with its data
  kBookmark = 2,  // an instant remembered; its data was given up on purpose
  kDropped = 3,   // given up by the full-store policy
};
struct SnapshotEntry {
  Epoch epoch;
  Uuid uuid;
  std::string tag;
  BoundaryState state = BoundaryState::kLive;
  std::int8_t priority = 0;
  std::uint32_t use_count = 0;     // persistent
  std::uint32_t target_count = 0;  // attached targets
  std::uint64_t created_ns = 0;    // since 1970, UTC
  std::uint64_t size_bytes = 0;
  std::uint64_t changed_chunks = 0;    // in its change map: first written while it was the newest
  std::uint64_t exception_chunks = 0;  // in its table: copied out for it and older ones
  std::uint64_t private_chunks = 0;
};
struct SnapshotListMessage {
  static constexpr MsgType kType = MsgType::kSnapshotList;
  bool has_more = false;  // ask again after the last entry's epoch
  std::vector<SnapshotEntry> entries;
};
struct GetStatusMessage {
  static constexpr MsgType kType = MsgType::kGetStatus;
};
struct ServerStatusMessage {
  static constexpr MsgType kType = MsgType::kServerStatus;
  Uuid store_uuid;
  unsigned chunk_shift = 0;
  std::uint64_t origin_bytes = 0;
  std::uint64_t created_ns = 0;
  std::uint64_t slots_total = 0;
  std::uint64_t slots_free = 0;
  std::uint64_t metadata_bytes_total = 0;
  std::uint64_t metadata_bytes_used = 0;
  std::uint64_t journal_bytes_total = 0;
  std::uint64_t journal_bytes_used = 0;
  std::uint64_t boundaries = 0;
  std::uint64_t exceptions = 0;
  std::uint64_t targets_present = 0;
  std::uint64_t targets_absent = 0;
  std::uint64_t first_writes = 0;  // chunks, since the server started
  std::uint64_t batches = 0;
  std::uint64_t lost_chunks = 0;      // of snapshots: the origin could not be read
  std::uint64_t repeated_writes = 0;  // of the snapstore, that failed once
  // 0 works; 1 no new snapshots; 2 snapshots lost, tracking only; 3 closed (S10)
  std::uint32_t ladder = 0;
  std::string ladder_why;     // empty while it works
  bool origin_stops = false;  // what writers see when copy-outs cannot be made; false: they go on
  std::array<std::uint8_t, 2> warn_percent = {};  // used, from which a warning is due; 0: none
  std::vector<std::string> warnings;              // sentences
  std::string origin_path;
  std::string snapstore_path;
  std::string metadata_path;  // empty: on the snapstore
};
struct SetPriorityMessage {
  static constexpr MsgType kType = MsgType::kSetPriority;
  std::string tag;
  std::int8_t priority = 0;
};
struct AddUseCountMessage {
  static constexpr MsgType kType = MsgType::kAddUseCount;
  std::string tag;
  std::int32_t difference = 0;
};
struct UseCountMessage {
  static constexpr MsgType kType = MsgType::kUseCount;
  std::uint32_t use_count = 0;     // persistent, after the change
  std::uint32_t target_count = 0;  // attached now
};
struct GetChangelistMessage {
  static constexpr MsgType kType = MsgType::kGetChangelist;
  std::string from_tag;
  std::string to_tag;             // "now" for the present
  std::uint64_t start_chunk = 0;  // the first chunk not yet told
};
struct ChangelistPartMessage {
  static constexpr MsgType kType = MsgType::kChangelistPart;
  struct Entry {
    ChunkNr chunk;
    std::optional<ChunkHash> from_hash;  // of the chunk in the from snapshot; none: unknown
  };
  Uuid from_uuid;
  Uuid to_uuid;  // nil for "now"
  std::uint64_t from_bytes = 0;
  std::uint64_t to_bytes = 0;
  unsigned chunk_shift = 0;
  std::optional<std::uint64_t> next_chunk;  // ask again from here; none: complete
  std::vector<Entry> entries;               // ascending; perhaps none although there is more
};
struct ListTargetsMessage {
  static constexpr MsgType kType = MsgType::kListTargets;
  std::uint32_t after_attachment_id = 0;
};
struct TargetEntry {
  std::uint32_t attachment_id = 0;  // 1 is the first
  TargetRole role = TargetRole::kOrigin;
  bool is_present = false;
  std::string tag;  // of its snapshot; empty for the origin
  std::string label;
};
struct TargetListMessage {
  static constexpr MsgType kType = MsgType::kTargetList;
  bool has_more = false;
  std::vector<TargetEntry> entries;
};
struct ForceDetachMessage {
  static constexpr MsgType kType = MsgType::kForceDetach;
  std::string label;
};

// The devices have grown: the server is to use what they have now.
inline constexpr std::uint64_t kAsItsDevice = ~std::uint64_t{0};
struct ResizeMessage {
  static constexpr MsgType kType = MsgType::kResize;
  std::uint64_t origin_bytes = 0;     // 0: as it is; kAsItsDevice
  std::uint64_t snapstore_bytes = 0;  // the same
  bool is_dry_run = false;
};
struct ResizedMessage {
  static constexpr MsgType kType = MsgType::kResized;
  std::uint64_t origin_bytes = 0;
  std::uint64_t slots_total = 0;
  std::uint64_t metadata_bytes_total = 0;
};

// Where a check stands; only the server knows what the numbers mean.
struct CheckPlace {
  std::uint8_t phase = 0;  // 0: the beginning, or the end
  std::uint64_t a = 0;
  std::uint64_t b = 0;
  std::uint64_t c = 0;
};
struct CheckStoreMessage {
  static constexpr MsgType kType = MsgType::kCheckStore;
  CheckPlace from;
};
struct CheckPartMessage {
  static constexpr MsgType kType = MsgType::kCheckPart;
  enum class Kind : std::uint8_t { kHurt = 1, kHurtPrivate = 2, kShielded = 3, kFinding = 4 };
  struct Entry {
    Kind kind = Kind::kHurt;
    Epoch oldest;  // these four: all but kFinding
    Epoch newest;
    std::uint64_t first_chunk = 0;
    std::uint64_t end_chunk = 0;
    std::string text;  // kFinding only
  };
  CheckPlace next;  // ask again with it
  std::uint64_t bytes_read = 0;
  std::uint64_t blocks_checked = 0;
  std::uint64_t slots_checked = 0;
  std::vector<Entry> entries;
};

// Who holds the room in the snapstore: each slot counts for the one snapshot in whose table it is.
struct GetSpaceMessage {
  static constexpr MsgType kType = MsgType::kGetSpace;
  Epoch after;  // 0: from the first
};
struct SpaceEntry {
  Epoch epoch;
  std::uint64_t unique_chunks = 0;  // that deleting this snapshot alone would free
  std::uint64_t shared_chunks = 0;  // that older snapshots read, too
};
struct SpaceListMessage {
  static constexpr MsgType kType = MsgType::kSpaceList;
  bool has_more = false;  // ask again after the last entry's epoch
  std::vector<SpaceEntry> entries;
};

// What happened, as the server's log tells it. The numbers of a server that was started later are
// higher.
enum class EventLevel : std::uint8_t { kInfo = 1, kWarning = 2, kError = 3 };
struct EventEntry {
  std::uint64_t number = 0;
  std::uint64_t time_ns = 0;  // since 1970, UTC
  EventLevel level = EventLevel::kInfo;
  std::string text;
};
struct GetEventsMessage {
  static constexpr MsgType kType = MsgType::kGetEvents;
  std::uint64_t after = 0;  // the number of the last event known; 0: all that are kept
};
struct EventListMessage {
  static constexpr MsgType kType = MsgType::kEventList;
  std::uint64_t started_ns = 0;  // when the server began to count, since 1970, UTC
  std::uint64_t warnings = 0;    // since then
  std::uint64_t errors = 0;
  bool has_more = false;  // ask again after the last entry's number
  std::vector<EventEntry> entries;
};

}  // namespace ddsnap
