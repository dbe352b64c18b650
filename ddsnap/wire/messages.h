// Every message of the protocol as a host struct, and encode/decode between them and bytes.
//
// Shape     A frame is struct ddsnap_header and a body. encode() makes a whole frame; decode<M>()
// takes a body. Types below 64 are
//           shared with the kernel (kernel-patches/uapi/ddsnap_protocol.h); from 64 on they are the
//           command line's own.
// Errors    decode: kDamaged with a sentence for anything that is not exactly one well-formed body:
// length, counts, enums, reserved
//           bytes, ranges that are empty or end beyond 2^32, tags that are no tags. Nothing below
//           needs to check them again.
// Threads   Plain functions and values.
// Source    PROTOCOL.md beside this file.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ddsnap/base/hash.h"
#include "ddsnap/base/result.h"
#include "ddsnap/base/units.h"
#include "ddsnap/base/uuid.h"

namespace ddsnap {

enum class MsgType : std::uint16_t {
  kOk = 1,
  kError = 2,
  kServe = 16,
  kFindServer = 17,
  kServerAt = 18,
  kHello = 32,
  kHelloOk = 33,
  kPrepareWrite = 34,
  kGrant = 35,
  kLocate = 36,
  kPrepareSnapshotWrite = 37,
  kLocated = 38,
  kBarrier = 39,
  kBarrierAck = 40,
  kRelease = 41,
  kDropped = 42,
  kDroppedAck = 43,
  kInvalidate = 44,
  kInvalidateAck = 45,
  kDetach = 46,
  // user space only
  kCreateSnapshot = 64,
  kDeleteSnapshot = 65,
  kListSnapshots = 66,
  kSnapshotList = 67,
  kGetStatus = 68,
  kServerStatus = 69,
  kSetPriority = 70,
  kAddUseCount = 71,
  kUseCount = 72,
  kGetChangelist = 73,
  kChangelistPart = 74,
  kListTargets = 75,
  kTargetList = 76,
  kForceDetach = 77,
  kCheckStore = 78,
  kCheckPart = 79,
  kPrepareSnapshot = 80,
  kCommitSnapshot = 81,
  kAbortSnapshot = 82,
  kResize = 83,
  kResized = 84,
  kGetSpace = 85,
  kSpaceList = 86,
  kGetEvents = 87,
  kEventList = 88,
};

struct FrameHeader {
  MsgType type{};
  std::uint32_t body_bytes = 0;
  std::uint64_t request_id = 0;
};
inline constexpr std::size_t kFrameHeaderBytes = 24;

// kDamaged for a wrong magic, version or length over kMaxMessageBytes.
Result<FrameHeader> decode_header(std::span<const std::byte, kFrameHeaderBytes> bytes);

// ---- anybody ----
struct OkMessage {
  static constexpr MsgType kType = MsgType::kOk;
};
struct ErrorMessage {
  static constexpr MsgType kType = MsgType::kError;
  Error error;
};

// ---- agent ----
struct DeviceId {
  enum class Kind : std::uint32_t { kNone = 0, kBlock = 1, kFile = 2 };
  Kind kind = Kind::kNone;
  std::uint64_t device =
      0;  // major << 32 | minor: of the block device itself, or of the file's file system
  std::uint64_t inode = 0;  // files only
  friend auto operator<=>(const DeviceId&, const DeviceId&) = default;
};
struct DevicePair {
  DeviceId snapstore;
  DeviceId origin;
  friend auto operator<=>(const DevicePair&, const DevicePair&) = default;
};
struct ServeMessage {
  static constexpr MsgType kType = MsgType::kServe;
  DevicePair pair;
  std::string address;  // of the server socket; '@' first means an abstract name
};
struct FindServerMessage {
  static constexpr MsgType kType = MsgType::kFindServer;
  DevicePair pair;
};
struct ServerAtMessage {
  static constexpr MsgType kType = MsgType::kServerAt;
  std::string address;
};

// ---- targets ----
enum class TargetRole : std::uint32_t { kOrigin = 1, kSnapshot = 2 };
struct HelloMessage {
  static constexpr MsgType kType = MsgType::kHello;
  TargetRole role = TargetRole::kOrigin;
  bool is_kernel = false;
  bool is_direct = false;
  bool is_returning = false;
  DevicePair pair;  // kNone in both: the server's own paths are taken, and opened as HELLO_OK says
  Uuid target_uuid;
  Uuid boot_id;
  std::uint64_t dm_device_or_pid = 0;
  std::uint32_t attachment_id = 0;  // returning only
  Uuid snapshot_uuid;               // returning only
  std::string tag;                  // snapshot targets, not returning
  std::string label;
};
struct HelloOkMessage {
  static constexpr MsgType kType = MsgType::kHelloOk;
  Uuid store_uuid;
  Uuid snapshot_uuid;
  std::uint64_t volume_bytes = 0;
  std::uint64_t slots_offset_bytes = 0;
  std::uint64_t slot_count = 0;
  Epoch epoch;
  unsigned chunk_shift = 0;
  std::uint32_t attachment_id = 0;
  bool is_direct = false;
  std::string origin_path;
  std::string snapstore_path;
};
struct PrepareWriteMessage {
  static constexpr MsgType kType = MsgType::kPrepareWrite;
  std::vector<ChunkRange> ranges;
};
struct GrantMessage {
  static constexpr MsgType kType = MsgType::kGrant;
  Epoch epoch;
  int result_errno = 0;
  bool is_last = true;
  std::vector<ChunkRange> ranges;
};
struct LocateMessage {
  static constexpr MsgType kType = MsgType::kLocate;
  std::vector<ChunkRange> ranges;
};
struct PrepareSnapshotWriteMessage {
  static constexpr MsgType kType = MsgType::kPrepareSnapshotWrite;
  std::vector<ChunkRange> ranges;
};
enum class Place : std::uint32_t { kOrigin = 1, kSlot = 2, kZero = 3, kPrivate = 4, kNowhere = 5 };
struct LocatedEntry {
  ChunkNr chunk;
  Place place = Place::kOrigin;
  SlotNr slot;
  ChunkHash hash;
  int result_errno = 0;  // kNowhere only
};
struct LocatedMessage {
  static constexpr MsgType kType = MsgType::kLocated;
  bool is_last = true;
  std::vector<LocatedEntry> entries;  // at most kMaxChunksPerAnswer
};
struct BarrierMessage {
  static constexpr MsgType kType = MsgType::kBarrier;
  std::uint64_t number = 0;
};
struct BarrierAckMessage {
  static constexpr MsgType kType = MsgType::kBarrierAck;
  std::uint64_t number = 0;
};
struct ReleaseMessage {
  static constexpr MsgType kType = MsgType::kRelease;
  std::uint64_t number = 0;
  Epoch epoch;
};
struct DroppedMessage {
  static constexpr MsgType kType = MsgType::kDropped;
};
struct DroppedAckMessage {
  static constexpr MsgType kType = MsgType::kDroppedAck;
};
struct InvalidateMessage {
  static constexpr MsgType kType = MsgType::kInvalidate;
  std::uint64_t number = 0;
  std::vector<ChunkRange> ranges;
};
struct InvalidateAckMessage {
  static constexpr MsgType kType = MsgType::kInvalidateAck;
  std::uint64_t number = 0;
};
struct DetachMessage {
  static constexpr MsgType kType = MsgType::kDetach;
};

// ---- command line ----
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

// A whole frame. Requires: the message fits kMaxMessageBytes (limits.h gives the counts that do).
template <class Message>
std::vector<std::byte> encode(const Message& message, std::uint64_t request_id);
template <class Message>
Result<Message> decode(std::span<const std::byte> body);

// 1 to kMaxTagBytes printable characters without space, '/', '#' or "..", and none of the reserved
// words ("origin", "now", "-1").
Status check_tag(std::string_view tag);

}  // namespace ddsnap
