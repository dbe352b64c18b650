// The messages between agent, server and targets as host structs, and encode/decode between every
// message and bytes. Those of the command line alone are in cli_messages.h.
//
// Shape     A frame is struct ddsnap_header and a body. encode() makes a whole frame; decode<M>()
//           takes a body. Types below 64 are shared with the kernel
//           (kernel-patches/uapi/ddsnap_protocol.h); from 64 on they are the command line's own.
// Errors    decode: kDamaged with a sentence for anything that is not exactly one well-formed body:
//           length, counts, enums, reserved bytes, ranges that are empty or end beyond 2^32, tags
//           that are no tags. Nothing below needs to check them again.
// Threads   Plain functions and values.
// Source    PROTOCOL.md beside this file.
#pragma once

#include <cstddef>
#include <cstdint>
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

// A whole frame. Requires: the message fits kMaxMessageBytes (limits.h gives the counts that do).
template <class Message>
std::vector<std::byte> encode(const Message& message, std::uint64_t request_id);
template <class Message>
Result<Message> decode(std::span<const std::byte> body);

// 1 to kMaxTagBytes printable characters without space, '/', '#' or "..", and none of the reserved
// words ("origin", "now", "-1").
Status check_tag(std::string_view tag);

}  // namespace ddsnap
