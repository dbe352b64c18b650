// HELLO and HELLO_OK: how a target and its server meet.
#include "ddsnap/base/limits.h"
#include "ddsnap/wire/codec.h"
#include "ddsnap/wire/shared_structs.h"

namespace ddsnap {

static_assert(sizeof(ddsnap_hello) == 248 && offsetof(ddsnap_hello, pair) == 8);
static_assert(offsetof(ddsnap_hello, target_uuid) == 56 && offsetof(ddsnap_hello, boot_id) == 72);
static_assert(offsetof(ddsnap_hello, dm_device) == 88);
static_assert(offsetof(ddsnap_hello, attachment_id) == 96);
static_assert(offsetof(ddsnap_hello, snapshot_uuid) == 104);
static_assert(offsetof(ddsnap_hello, tag) == 120 && offsetof(ddsnap_hello, label) == 184);
static_assert(sizeof(ddsnap_hello_ok) == 84 && offsetof(ddsnap_hello_ok, volume_bytes) == 32);
static_assert(offsetof(ddsnap_hello_ok, chunk_shift) == 64);
static_assert(offsetof(ddsnap_hello_ok, origin_path_bytes) == 80);

static void put_uuid(std::uint8_t (&field)[16], const Uuid& uuid) {
  std::memcpy(field, uuid.bytes.data(), sizeof field);
}

static Uuid get_uuid(const std::uint8_t (&field)[16]) {
  Uuid uuid;
  std::memcpy(uuid.bytes.data(), field, sizeof field);
  return uuid;
}

static bool is_snapshot_by_tag(const HelloMessage& message) {
  return message.role == TargetRole::kSnapshot && !message.is_returning;
}

static void write_body(BodyWriter& writer, const HelloMessage& message) {
  ddsnap_hello wire{};
  wire.role = to_le(static_cast<std::uint32_t>(message.role));
  wire.flags = to_le<std::uint32_t>((message.is_kernel ? DDSNAP_HELLO_KERNEL : 0) |
                                    (message.is_direct ? DDSNAP_HELLO_DIRECT : 0) |
                                    (message.is_returning ? DDSNAP_HELLO_RETURNING : 0));
  wire.pair = to_wire(message.pair);
  put_uuid(wire.target_uuid, message.target_uuid);
  put_uuid(wire.boot_id, message.boot_id);
  wire.dm_device = to_le<__u64>(message.dm_device_or_pid);
  if (message.is_returning) {
    wire.attachment_id = to_le(message.attachment_id);
    put_uuid(wire.snapshot_uuid, message.snapshot_uuid);
  }
  if (is_snapshot_by_tag(message)) put_padded(wire.tag, message.tag);
  put_padded(wire.label, message.label);
  writer.plain(wire);
}

static void check_flags(BodyReader& reader, std::uint32_t role, std::uint32_t flags) {
  constexpr std::uint32_t kKnown =
      DDSNAP_HELLO_KERNEL | DDSNAP_HELLO_DIRECT | DDSNAP_HELLO_RETURNING;
  reader.require(role == DDSNAP_ROLE_ORIGIN || role == DDSNAP_ROLE_SNAPSHOT, "an unknown role");
  reader.require((flags & ~kKnown) == 0, "unknown flags");
}

static void check_hello(BodyReader& reader, const HelloMessage& message) {
  const bool is_snapshot = message.role == TargetRole::kSnapshot;
  const bool has_pair = message.pair.snapstore.kind != DeviceId::Kind::kNone;
  reader.require(has_pair == (message.pair.origin.kind != DeviceId::Kind::kNone),
                 "one device without the other");
  reader.require(has_pair || !message.is_kernel, "a kernel target without its devices");
  reader.require(message.is_returning == (message.attachment_id != 0),
                 "an attachment is named exactly by a returning target");
  reader.require((message.is_returning && is_snapshot) == !message.snapshot_uuid.is_nil(),
                 "a snapshot is named exactly by a returning snapshot target");
  if (is_snapshot_by_tag(message))
    require_tag(reader, message.tag);
  else
    reader.require(message.tag.empty(), "a tag where none belongs");
}

static void read_body(BodyReader& reader, HelloMessage& message) {
  const auto wire = reader.plain<ddsnap_hello>();
  const std::uint32_t flags = to_le(wire.flags);
  check_flags(reader, to_le(wire.role), flags);
  message.role = static_cast<TargetRole>(to_le(wire.role));
  message.is_kernel = (flags & DDSNAP_HELLO_KERNEL) != 0;
  message.is_direct = (flags & DDSNAP_HELLO_DIRECT) != 0;
  message.is_returning = (flags & DDSNAP_HELLO_RETURNING) != 0;
  message.pair = from_wire(reader, wire.pair);
  message.target_uuid = get_uuid(wire.target_uuid);
  message.boot_id = get_uuid(wire.boot_id);
  message.dm_device_or_pid = to_le(static_cast<std::uint64_t>(wire.dm_device));
  message.attachment_id = to_le(wire.attachment_id);
  message.snapshot_uuid = get_uuid(wire.snapshot_uuid);
  message.tag = get_padded(reader, wire.tag);
  message.label = get_padded(reader, wire.label);
  reader.require(wire.reserved == 0, "reserved bytes are not zero");
  check_hello(reader, message);
}

static void write_body(BodyWriter& writer, const HelloOkMessage& message) {
  DD_CHECK(message.origin_path.size() <= kMaxPathBytes);
  DD_CHECK(message.snapstore_path.size() <= kMaxPathBytes);
  ddsnap_hello_ok wire{};
  put_uuid(wire.store_uuid, message.store_uuid);
  put_uuid(wire.snapshot_uuid, message.snapshot_uuid);
  wire.volume_bytes = to_le<__u64>(message.volume_bytes);
  wire.slots_offset_bytes = to_le<__u64>(message.slots_offset_bytes);
  wire.slot_count = to_le<__u64>(message.slot_count);
  wire.epoch = to_le<__u64>(message.epoch.value);
  wire.chunk_shift = to_le<std::uint32_t>(message.chunk_shift);
  wire.attachment_id = to_le(message.attachment_id);
  wire.flags = to_le<std::uint32_t>(message.is_direct ? DDSNAP_HELLO_OK_DIRECT : 0);
  wire.origin_path_bytes = to_le(static_cast<std::uint16_t>(message.origin_path.size()));
  wire.snapstore_path_bytes = to_le(static_cast<std::uint16_t>(message.snapstore_path.size()));
  writer.plain(wire);
  writer.bytes(message.origin_path);
  writer.bytes(message.snapstore_path);
}

static void check_hello_ok(BodyReader& reader, const HelloOkMessage& message) {
  const bool is_shift_possible =
      message.chunk_shift >= kMinChunkShift && message.chunk_shift <= kMaxChunkShift;
  reader.require(is_shift_possible, "an impossible chunk size");
  reader.require(!is_shift_possible || message.volume_bytes <= kMaxChunks << message.chunk_shift,
                 "a volume of more than 2^32 chunks");
  reader.require(message.slot_count <= kMaxChunks, "more than 2^32 slots");
  reader.require(message.attachment_id != 0, "attachment 0");
  reader.require(!message.store_uuid.is_nil(), "a store without uuid");
}

static void read_body(BodyReader& reader, HelloOkMessage& message) {
  const auto wire = reader.plain<ddsnap_hello_ok>();
  message.store_uuid = get_uuid(wire.store_uuid);
  message.snapshot_uuid = get_uuid(wire.snapshot_uuid);
  message.volume_bytes = to_le(static_cast<std::uint64_t>(wire.volume_bytes));
  message.slots_offset_bytes = to_le(static_cast<std::uint64_t>(wire.slots_offset_bytes));
  message.slot_count = to_le(static_cast<std::uint64_t>(wire.slot_count));
  message.epoch = Epoch{to_le(static_cast<std::uint64_t>(wire.epoch))};
  message.chunk_shift = to_le(wire.chunk_shift);
  message.attachment_id = to_le(wire.attachment_id);
  message.is_direct = (to_le(wire.flags) & DDSNAP_HELLO_OK_DIRECT) != 0;
  reader.require((to_le(wire.flags) & ~std::uint32_t{DDSNAP_HELLO_OK_DIRECT}) == 0,
                 "unknown flags");
  reader.require(wire.reserved == 0, "reserved bytes are not zero");
  const std::uint16_t origin_bytes = to_le(wire.origin_path_bytes);
  const std::uint16_t snapstore_bytes = to_le(wire.snapstore_path_bytes);
  reader.require(origin_bytes <= kMaxPathBytes && snapstore_bytes <= kMaxPathBytes,
                 "a path is too long");
  message.origin_path = reader.bytes(origin_bytes);
  message.snapstore_path = reader.bytes(snapstore_bytes);
  check_hello_ok(reader, message);
}

DD_MESSAGE(HelloMessage);
DD_MESSAGE(HelloOkMessage);

}  // namespace ddsnap
