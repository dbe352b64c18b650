#include "ddsnap/replica/session_messages.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "ddsnap/base/endian.h"
#include "ddsnap/base/limits.h"
#include "ddsnap/delta/bytes.h"
#include "ddsnap/delta/changelist.h"
#include "ddsnap/wire/body_reader.h"

namespace ddsnap {

namespace {

constexpr std::uint32_t kMagic = 0x53534444;         // "DDSS"
constexpr std::uint64_t kSeed = 0x4f49535345534444;  // "DDSESSIO"

enum : std::uint8_t { kFlagTouched = 1, kFlagCut = 2, kVolumeFlags = 3 };

struct XWireHeader {
  le32 magic;
  std::uint8_t type;
  std::uint8_t reserved[3];
  le32 body_bytes;
  le32 number;
  le64 checksum;  // of the 16 bytes before it, and the body
};
static_assert(sizeof(XWireHeader) == kSessionHeaderBytes && alignof(XWireHeader) == 1);

std::uint64_t checksum_of_message(std::span<const std::byte> header,
                                  std::span<const std::byte> body) {
  return checksum_of(body, checksum_of(header.first(offsetof(XWireHeader, checksum)), kSeed));
}

class Writer {
 public:
  template <class T>
  Writer& put(const T& value) {
    append_struct(out_, value);
    return *this;
  }
  Writer& u8(std::uint8_t value) { return put(value); }
  Writer& u16(std::uint16_t value) { return put(le16(value)); }
  Writer& u32(std::uint32_t value) { return put(le32(value)); }
  Writer& u64(std::uint64_t value) { return put(le64(value)); }
  Writer& uuid(const Uuid& value) { return put(value.bytes); }
  Writer& text(std::string_view value) {
    u16(static_cast<std::uint16_t>(value.size()));
    return bytes(std::as_bytes(std::span(value)));
  }
  Writer& bytes(std::span<const std::byte> value) {
    out_.insert(out_.end(), value.begin(), value.end());
    return *this;
  }
  std::vector<std::byte> take() { return std::move(out_); }

 private:
  std::vector<std::byte> out_;
};

template <unsigned kBytes>
void require_reserved(BodyReader& reader) {
  for (unsigned i = 0; i < kBytes; ++i)
    reader.require(reader.u8() == 0, "a reserved byte is not zero");
}

std::string read_tag(BodyReader& reader) {
  std::string tag = reader.text(kMaxTagBytes);
  reader.require(check_stored_tag(tag).has_value(), "a tag is none");
  return tag;
}

unsigned read_shift(BodyReader& reader) {
  const unsigned shift = reader.u8();
  reader.require(shift >= kMinChunkShift && shift <= kMaxChunkShift, "a chunk size is none");
  return shift;
}

std::uint32_t read_window_chunks(BodyReader& reader) {
  const std::uint32_t count = reader.u32();
  reader.require(count >= 1 && count <= kMaxSessionWindowChunks, "a window's size is none");
  return count;
}

ChunkRange read_window(BodyReader& reader) {
  const ChunkRange chunks{{reader.u32()}, reader.u32()};
  reader.require(
      chunks.count >= 1 && chunks.count <= kMaxSessionWindowChunks && chunks.end() <= kMaxChunks,
      "a window is none");
  return chunks;
}

// ---- field by field ----

void write_body(Writer& to, const HelloSession& from) {
  to.u16(from.version).text(from.volume);
}
void read_body(BodyReader& from, HelloSession& to) {
  to.version = from.u16();
  to.volume = from.text(kMaxSessionNameBytes);
}

void write_body(Writer& to, const VolumeSession& from) {
  const CutTransfer cut = from.cut.value_or(CutTransfer{});
  to.u16(from.version);
  to.u8(
      static_cast<std::uint8_t>((from.is_touched ? kFlagTouched : 0) | (from.cut ? kFlagCut : 0)));
  to.u8(0).u32(static_cast<std::uint32_t>(from.held.size())).u64(from.volume_bytes);
  to.uuid(cut.from).uuid(cut.to).u64(cut.next).u64(cut.doubt_end);
  for (const Uuid& uuid : from.held) to.uuid(uuid);
}
void read_body(BodyReader& from, VolumeSession& to) {
  to.version = from.u16();
  const std::uint8_t flags = from.u8();
  from.require((flags & ~kVolumeFlags) == 0, "a flag is not known");
  to.is_touched = (flags & kFlagTouched) != 0;
  require_reserved<1>(from);
  const std::uint32_t stated = from.u32();
  to.volume_bytes = from.u64();
  CutTransfer cut{
      .from = from.uuid(), .to = from.uuid(), .next = from.u64(), .doubt_end = from.u64()};
  if ((flags & kFlagCut) != 0) {
    from.require(cut.next <= cut.doubt_end && cut.doubt_end <= kMaxChunks && !cut.to.is_nil(),
                 "what was cut off is none");
    to.cut = cut;
  } else {
    from.require(cut == CutTransfer{}, "a reserved byte is not zero");
  }
  const std::uint32_t count = from.count(stated, kMaxSessionUuids, sizeof(Uuid));
  for (std::uint32_t i = 0; i < count; ++i) to.held.push_back(from.uuid());
}

void write_body(Writer& to, const StartSession& from) {
  to.u8(from.is_resync ? 1 : 0).u8(static_cast<std::uint8_t>(from.chunk_shift)).u16(0);
  to.u32(from.window_chunks).u64(from.to_bytes).uuid(from.from).uuid(from.to);
  to.text(from.from_tag).text(from.to_tag);
}
void read_body(BodyReader& from, StartSession& to) {
  to.is_resync = from.flag();
  to.chunk_shift = read_shift(from);
  require_reserved<2>(from);
  to.window_chunks = read_window_chunks(from);
  to.to_bytes = from.u64();
  to.from = from.uuid();
  to.to = from.uuid();
  to.from_tag = read_tag(from);
  to.to_tag = read_tag(from);
  from.require(to.to_bytes > 0 && to.to_bytes <= kMaxChunks << to.chunk_shift,
               "a volume's size is none");
  from.require(!to.to.is_nil() && to.from.is_nil() == to.is_resync, "a snapshot's uuid is missing");
}

void write_body(Writer& to, const GoSession& from) {
  to.u64(from.next);
}
void read_body(BodyReader& from, GoSession& to) {
  to.next = from.u64();
  from.require(to.next <= kMaxChunks, "a chunk is none");
}

void write_body(Writer& to, const ReachedSession& from) {
  to.u64(from.windows);
}
void read_body(BodyReader& from, ReachedSession& to) {
  to.windows = from.u64();
}

void write_body(Writer& to, const FrameSession& from) {
  to.u8(from.is_last ? 1 : 0).u8(0).u16(0).u32(0).bytes(from.bytes);
}

void write_body(Writer& to, const HashesSession& from) {
  to.u32(from.chunks.first.value).u32(from.chunks.count);
  to.u32(from.hashes.empty() ? 0 : 1).u32(0);
  for (const Hash128& hash : from.hashes) to.put(hash.bytes);
}
void read_body(BodyReader& from, HashesSession& to) {
  to.chunks = read_window(from);
  const std::uint32_t kind = from.u32();
  from.require(kind <= 1, "a kind of hashes is not known");
  require_reserved<4>(from);
  const std::uint32_t count =
      kind == 0 ? 0 : from.count(to.chunks.count, kMaxSessionWindowChunks, sizeof(Hash128));
  to.hashes.resize(count);
  for (Hash128& hash : to.hashes) hash.bytes = from.plain<decltype(hash.bytes)>();
}

void write_body(Writer& to, const SameSession& from) {
  to.u32(from.chunks.first.value).u32(from.chunks.count);
}
void read_body(BodyReader& from, SameSession& to) {
  to.chunks = read_window(from);
}

void write_body(Writer& to, const DoneSession& from) {
  to.u64(from.windows).u64(from.written_chunks).u64(from.zeroed_chunks);
}
void read_body(BodyReader& from, DoneSession& to) {
  to.windows = from.u64();
  to.written_chunks = from.u64();
  to.zeroed_chunks = from.u64();
}

void write_body(Writer& to, const AuditSession& from) {
  to.uuid(from.uuid).u8(static_cast<std::uint8_t>(from.chunk_shift)).u8(0).u16(0);
  to.u32(from.window_chunks).u64(from.first).u64(from.count).text(from.tag);
}
void read_body(BodyReader& from, AuditSession& to) {
  to.uuid = from.uuid();
  to.chunk_shift = read_shift(from);
  require_reserved<3>(from);
  to.window_chunks = read_window_chunks(from);
  to.first = from.u64();
  to.count = from.u64();
  to.tag = read_tag(from);
  from.require(to.first <= kMaxChunks && to.count <= kMaxChunks - to.first, "a range is none");
  from.require(to.tag.empty() || to.uuid.is_nil(), "a snapshot is named twice");
}

void write_body(Writer& to, const SideSession& from) {
  to.u64(from.volume_bytes);
}
void read_body(BodyReader& from, SideSession& to) {
  to.volume_bytes = from.u64();
}

void write_body(Writer& to, const ErrorSession& from) {
  to.u16(static_cast<std::uint16_t>(from.error.code));
  to.text(from.error.text.substr(0, kMaxSessionErrorBytes));
}
void read_body(BodyReader& from, ErrorSession& to) {
  const std::uint16_t code = from.u16();
  const std::uint16_t last = std::to_underlying(ErrorCode::kInterrupted);
  from.require(code >= 1 && code <= last, "an error's code is not known");
  to.error.code = static_cast<ErrorCode>(code);
  to.error.text = from.text(kMaxSessionErrorBytes);
  // It goes to a terminal and into logs.
  for (char& c : to.error.text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
}

}  // namespace

std::vector<std::byte> encode_session_header(SessionMsg type, std::uint32_t number,
                                             std::span<const std::byte> body) {
  XWireHeader wire{};
  wire.magic = kMagic;
  wire.type = std::to_underlying(type);
  wire.body_bytes = static_cast<std::uint32_t>(body.size());
  wire.number = number;
  wire.checksum = checksum_of_message(bytes_of(wire), body);
  const auto bytes = bytes_of(wire);
  return {bytes.begin(), bytes.end()};
}

Result<SessionHeader> decode_session_header(std::span<const std::byte, kSessionHeaderBytes> bytes,
                                            std::uint32_t number, std::size_t max_body_bytes) {
  const auto wire = struct_in<XWireHeader>(bytes);
  const bool is_known = (wire.type >= std::to_underlying(SessionMsg::kHello) &&
                         wire.type <= std::to_underlying(SessionMsg::kSide)) ||
                        wire.type == std::to_underlying(SessionMsg::kError);
  const bool is_reserved_zero = std::ranges::all_of(wire.reserved, [](auto b) { return b == 0; });
  if (wire.magic.get() != kMagic || !is_known || !is_reserved_zero)
    return fail(ErrorCode::kDamaged, "this is no session of ddsnap");
  if (wire.number.get() != number) return fail(ErrorCode::kDamaged, "a message is out of order");
  if (wire.body_bytes.get() > max_body_bytes)
    return fail(ErrorCode::kDamaged,
                fmt::format("a message of {} bytes is too long", wire.body_bytes.get()));
  return SessionHeader{static_cast<SessionMsg>(wire.type), wire.body_bytes.get()};
}

Status check_session_body(std::span<const std::byte, kSessionHeaderBytes> header,
                          std::span<const std::byte> body) {
  if (struct_in<XWireHeader>(header).checksum.get() == checksum_of_message(header, body)) return {};
  return fail(ErrorCode::kDamaged, "a message fails its checksum");
}

template <class Message>
std::vector<std::byte> encode_session(const Message& message) {
  Writer writer;
  write_body(writer, message);
  return writer.take();
}

template <class Message>
Result<Message> decode_session(std::span<const std::byte> body) {
  BodyReader reader(body);
  Message message;
  read_body(reader, message);
  DD_TRY(reader.finish());
  return message;
}

template <>
Result<FrameSession> decode_session<FrameSession>(std::span<const std::byte> body) {
  constexpr std::size_t kFixedBytes = 8;
  BodyReader reader(body.first(std::min(body.size(), kFixedBytes)));
  FrameSession message;
  message.is_last = reader.flag();
  require_reserved<kFixedBytes - 1>(reader);
  reader.require(body.size() <= kFixedBytes + kSessionPieceBytes, "a piece is too long");
  DD_TRY(reader.finish());
  message.bytes = body.subspan(kFixedBytes);
  return message;
}

#define DD_SESSION_MESSAGE(Message)                                        \
  template std::vector<std::byte> encode_session<Message>(const Message&); \
  template Result<Message> decode_session<Message>(std::span<const std::byte>)

DD_SESSION_MESSAGE(HelloSession);
DD_SESSION_MESSAGE(VolumeSession);
DD_SESSION_MESSAGE(StartSession);
DD_SESSION_MESSAGE(GoSession);
DD_SESSION_MESSAGE(ReachedSession);
DD_SESSION_MESSAGE(HashesSession);
DD_SESSION_MESSAGE(SameSession);
DD_SESSION_MESSAGE(DoneSession);
DD_SESSION_MESSAGE(AuditSession);
DD_SESSION_MESSAGE(SideSession);
DD_SESSION_MESSAGE(ErrorSession);
template std::vector<std::byte> encode_session<FrameSession>(const FrameSession&);

}  // namespace ddsnap
