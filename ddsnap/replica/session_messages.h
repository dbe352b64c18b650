// The messages of a session between two machines, and encode/decode between them and bytes.
//
// Shape     A header and a body, REPLICA.md, section 2. encode() gives a body, decode<M>() takes
// one. Errors    decode: kDamaged with a sentence for anything that is not exactly one well-formed
// body;
//           nothing below needs to check it again.
// Threads   Plain functions and values.
#pragma once

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

enum class SessionMsg : std::uint8_t {
  kHello = 1,
  kVolume = 2,
  kStart = 3,
  kGo = 4,
  kFrame = 5,
  kReached = 6,
  kHashes = 7,
  kSame = 8,
  kDone = 9,
  kAudit = 10,
  kSide = 11,
  kError = 15,
};

inline constexpr std::uint16_t kSessionVersion = 1;

// The sender's first message: which volume of the listener's it means.
struct HelloSession {
  static constexpr SessionMsg kType = SessionMsg::kHello;
  std::uint16_t version = kSessionVersion;
  std::string volume;  // empty: the only one
};

// A transfer that was cut off: everything below `next` is as in `to`, what is from there to
// `doubt_end` may be anything, and the rest is as in `from`.
struct CutTransfer {
  Uuid from;  // nil: it was a resync
  Uuid to;
  std::uint64_t next = 0;       // chunks
  std::uint64_t doubt_end = 0;  // chunks
  // The attachment of the target that wrote; 0: somebody else may have written, too. Never sent.
  std::uint64_t writer = 0;
  friend bool operator==(const CutTransfer&, const CutTransfer&) = default;
};

// The receiver's answer: what it holds.
struct VolumeSession {
  static constexpr SessionMsg kType = SessionMsg::kVolume;
  std::uint16_t version = kSessionVersion;
  bool is_touched = false;  // its origin was written since its newest snapshot
  std::uint64_t volume_bytes = 0;
  std::optional<CutTransfer> cut;
  std::vector<Uuid> held;  // the newest first
};

struct StartSession {
  static constexpr SessionMsg kType = SessionMsg::kStart;
  bool is_resync = false;
  unsigned chunk_shift = kDefaultChunkShift;
  std::uint32_t window_chunks = 0;  // the most that come in one window
  std::uint64_t to_bytes = 0;
  Uuid from;  // nil when resynced
  Uuid to;
  std::string from_tag;
  std::string to_tag;
};

struct GoSession {
  static constexpr SessionMsg kType = SessionMsg::kGo;
  std::uint64_t next = 0;  // chunks below this are not wanted any more
};

// A piece of a window's delta.
struct FrameSession {
  static constexpr SessionMsg kType = SessionMsg::kFrame;
  bool is_last = false;              // of this window
  std::span<const std::byte> bytes;  // borrowed
};

struct ReachedSession {
  static constexpr SessionMsg kType = SessionMsg::kReached;
  std::uint64_t windows = 0;  // of this session, that are durable
};

struct HashesSession {
  static constexpr SessionMsg kType = SessionMsg::kHashes;
  ChunkRange chunks;
  std::vector<Hash128> hashes;  // empty: all of them are zero
};

// A window that is equal on both sides.
struct SameSession {
  static constexpr SessionMsg kType = SessionMsg::kSame;
  ChunkRange chunks;
};

// From the sender: all windows were sent. From the receiver: the snapshot is there.
struct DoneSession {
  static constexpr SessionMsg kType = SessionMsg::kDone;
  std::uint64_t windows = 0;
  std::uint64_t written_chunks = 0;
  std::uint64_t zeroed_chunks = 0;
};

// Hashes of a range are wanted: of a snapshot by its uuid or its tag; of neither: as it is now.
struct AuditSession {
  static constexpr SessionMsg kType = SessionMsg::kAudit;
  Uuid uuid;
  std::string tag;
  unsigned chunk_shift = kDefaultChunkShift;
  std::uint32_t window_chunks = 0;
  std::uint64_t first = 0;  // chunks
  std::uint64_t count = 0;
};

// What the hashes that follow are of.
struct SideSession {
  static constexpr SessionMsg kType = SessionMsg::kSide;
  std::uint64_t volume_bytes = 0;
};

struct ErrorSession {
  static constexpr SessionMsg kType = SessionMsg::kError;
  Error error;
};

// ---- the header in front of each body ----

struct SessionHeader {
  SessionMsg type{};
  std::uint32_t body_bytes = 0;
};
inline constexpr std::size_t kSessionHeaderBytes = 24;

// `number` counts the messages of one direction from 0.
std::vector<std::byte> encode_session_header(SessionMsg type, std::uint32_t number,
                                             std::span<const std::byte> body);
// Checks all but the checksum.
Result<SessionHeader> decode_session_header(std::span<const std::byte, kSessionHeaderBytes> bytes,
                                            std::uint32_t number, std::size_t max_body_bytes);
// kDamaged unless header and body belong together.
Status check_session_body(std::span<const std::byte, kSessionHeaderBytes> header,
                          std::span<const std::byte> body);

template <class Message>
std::vector<std::byte> encode_session(const Message& message);
// What it borrows, it borrows of the body.
template <class Message>
Result<Message> decode_session(std::span<const std::byte> body);

}  // namespace ddsnap
