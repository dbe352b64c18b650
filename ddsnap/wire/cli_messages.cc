// What the command line asks a server: snapshots, priorities, use counts, status, targets.
#include "ddsnap/wire/cli_messages.h"
#include "ddsnap/base/limits.h"
#include "ddsnap/wire/codec.h"

namespace ddsnap {

// The least that an entry of a list takes, for counting before reading.
constexpr std::size_t kMinSnapshotEntryBytes = 76;
constexpr std::size_t kMinTargetEntryBytes = 13;

static std::string read_tag(BodyReader& reader) {
  std::string tag = reader.text(kMaxTagBytes);
  require_tag(reader, tag);
  return tag;
}

static std::int8_t read_priority(BodyReader& reader) {
  return static_cast<std::int8_t>(reader.u8());
}

static void write_body(BodyWriter& writer, const CreateSnapshotMessage& message) {
  writer.uuid(message.uuid);
  writer.u8(static_cast<std::uint8_t>(message.priority));
  writer.u8(message.is_bookmark ? 1 : 0);
  writer.text(message.tag, kMaxTagBytes);
}
static void read_body(BodyReader& reader, CreateSnapshotMessage& message) {
  message.uuid = reader.uuid();
  message.priority = read_priority(reader);
  message.is_bookmark = reader.flag();
  message.tag = read_tag(reader);
  reader.require(!message.uuid.is_nil(), "a snapshot without uuid");
}

static void write_body(BodyWriter& writer, const PrepareSnapshotMessage& message) {
  writer.u32(message.hold_ms);
  write_body(writer, message.snapshot);
}
static void read_body(BodyReader& reader, PrepareSnapshotMessage& message) {
  message.hold_ms = reader.u32();
  read_body(reader, message.snapshot);
  reader.require(message.hold_ms > 0 && message.hold_ms <= kBarrierDeadline_ms,
                 "a barrier held too long");
}

static void write_body(BodyWriter& writer, const CommitSnapshotMessage& message) {
  writer.uuid(message.uuid);
}
static void read_body(BodyReader& reader, CommitSnapshotMessage& message) {
  message.uuid = reader.uuid();
}

static void write_body(BodyWriter& writer, const AbortSnapshotMessage& message) {
  writer.uuid(message.uuid);
}
static void read_body(BodyReader& reader, AbortSnapshotMessage& message) {
  message.uuid = reader.uuid();
}

static void write_body(BodyWriter& writer, const ResizeMessage& message) {
  writer.u64(message.origin_bytes);
  writer.u64(message.snapstore_bytes);
  writer.u8(message.is_dry_run ? 1 : 0);
}
static void read_body(BodyReader& reader, ResizeMessage& message) {
  message.origin_bytes = reader.u64();
  message.snapstore_bytes = reader.u64();
  message.is_dry_run = reader.flag();
}

static void write_body(BodyWriter& writer, const ResizedMessage& message) {
  writer.u64(message.origin_bytes);
  writer.u64(message.slots_total);
  writer.u64(message.metadata_bytes_total);
}
static void read_body(BodyReader& reader, ResizedMessage& message) {
  message.origin_bytes = reader.u64();
  message.slots_total = reader.u64();
  message.metadata_bytes_total = reader.u64();
}

static void write_body(BodyWriter& writer, const DeleteSnapshotMessage& message) {
  writer.u8(message.keep_bookmark ? 1 : 0);
  writer.text(message.tag, kMaxTagBytes);
}
static void read_body(BodyReader& reader, DeleteSnapshotMessage& message) {
  message.keep_bookmark = reader.flag();
  message.tag = read_tag(reader);
}

static void write_body(BodyWriter& writer, const ListSnapshotsMessage& message) {
  writer.u64(message.after.value);
}
static void read_body(BodyReader& reader, ListSnapshotsMessage& message) {
  message.after = Epoch{reader.u64()};
}

static void write_entry(BodyWriter& writer, const SnapshotEntry& entry) {
  writer.u64(entry.epoch.value);
  writer.uuid(entry.uuid);
  writer.u8(static_cast<std::uint8_t>(entry.state));
  writer.u8(static_cast<std::uint8_t>(entry.priority));
  writer.u32(entry.use_count);
  writer.u32(entry.target_count);
  writer.u64(entry.created_ns);
  writer.u64(entry.size_bytes);
  writer.u64(entry.changed_chunks);
  writer.u64(entry.exception_chunks);
  writer.u64(entry.private_chunks);
  writer.text(entry.tag, kMaxTagBytes);
}

static SnapshotEntry read_snapshot_entry(BodyReader& reader) {
  SnapshotEntry entry;
  entry.epoch = Epoch{reader.u64()};
  entry.uuid = reader.uuid();
  const std::uint8_t state = reader.u8();
  reader.require(state >= 1 && state <= static_cast<std::uint8_t>(BoundaryState::kDropped),
                 "an unknown state of a snapshot");
  entry.state = static_cast<BoundaryState>(state);
  entry.priority = read_priority(reader);
  entry.use_count = reader.u32();
  entry.target_count = reader.u32();
  entry.created_ns = reader.u64();
  entry.size_bytes = reader.u64();
  entry.changed_chunks = reader.u64();
  entry.exception_chunks = reader.u64();
  entry.private_chunks = reader.u64();
  entry.tag = read_tag(reader);
  return entry;
}

static void write_body(BodyWriter& writer, const SnapshotListMessage& message) {
  DD_CHECK(message.entries.size() <= kMaxSnapshotListEntries);
  writer.u8(message.has_more ? 1 : 0);
  writer.u32(static_cast<std::uint32_t>(message.entries.size()));
  for (const SnapshotEntry& entry : message.entries) write_entry(writer, entry);
}
static void read_body(BodyReader& reader, SnapshotListMessage& message) {
  message.has_more = reader.flag();
  message.entries.resize(
      reader.count(reader.u32(), kMaxSnapshotListEntries, kMinSnapshotEntryBytes));
  for (SnapshotEntry& entry : message.entries) entry = read_snapshot_entry(reader);
  reader.require(!message.has_more || !message.entries.empty(), "an empty part of a list");
}

static void write_body(BodyWriter& writer, const SetPriorityMessage& message) {
  writer.u8(static_cast<std::uint8_t>(message.priority));
  writer.text(message.tag, kMaxTagBytes);
}
static void read_body(BodyReader& reader, SetPriorityMessage& message) {
  message.priority = read_priority(reader);
  message.tag = read_tag(reader);
}

static void write_body(BodyWriter& writer, const AddUseCountMessage& message) {
  writer.u32(static_cast<std::uint32_t>(message.difference));
  writer.text(message.tag, kMaxTagBytes);
}
static void read_body(BodyReader& reader, AddUseCountMessage& message) {
  message.difference = static_cast<std::int32_t>(reader.u32());
  message.tag = read_tag(reader);
}

static void write_body(BodyWriter& writer, const UseCountMessage& message) {
  writer.u32(message.use_count);
  writer.u32(message.target_count);
}
static void read_body(BodyReader& reader, UseCountMessage& message) {
  message.use_count = reader.u32();
  message.target_count = reader.u32();
}

static void write_body(BodyWriter& writer, const ListTargetsMessage& message) {
  writer.u32(message.after_attachment_id);
}
static void read_body(BodyReader& reader, ListTargetsMessage& message) {
  message.after_attachment_id = reader.u32();
}

static void write_entry(BodyWriter& writer, const TargetEntry& entry) {
  writer.u32(entry.attachment_id);
  writer.u32(static_cast<std::uint32_t>(entry.role));
  writer.u8(entry.is_present ? 1 : 0);
  writer.text(entry.tag, kMaxTagBytes);
  writer.text(entry.label, kMaxTagBytes);
}

static TargetEntry read_target_entry(BodyReader& reader) {
  TargetEntry entry;
  entry.attachment_id = reader.u32();
  const std::uint32_t role = reader.u32();
  reader.require(role == 1 || role == 2, "an unknown role");
  entry.role = static_cast<TargetRole>(role);
  entry.is_present = reader.flag();
  entry.tag = reader.text(kMaxTagBytes);
  entry.label = reader.text(kMaxTagBytes);
  reader.require(entry.attachment_id != 0, "attachment 0");
  if (!entry.tag.empty()) require_tag(reader, entry.tag);
  return entry;
}

static void write_body(BodyWriter& writer, const TargetListMessage& message) {
  DD_CHECK(message.entries.size() <= kMaxTargetListEntries);
  writer.u8(message.has_more ? 1 : 0);
  writer.u32(static_cast<std::uint32_t>(message.entries.size()));
  for (const TargetEntry& entry : message.entries) write_entry(writer, entry);
}
static void read_body(BodyReader& reader, TargetListMessage& message) {
  message.has_more = reader.flag();
  message.entries.resize(reader.count(reader.u32(), kMaxTargetListEntries, kMinTargetEntryBytes));
  for (TargetEntry& entry : message.entries) entry = read_target_entry(reader);
  reader.require(!message.has_more || !message.entries.empty(), "an empty part of a list");
}

static void write_body(BodyWriter& writer, const ForceDetachMessage& message) {
  writer.text(message.label, kMaxTagBytes);
}
static void read_body(BodyReader& reader, ForceDetachMessage& message) {
  message.label = reader.text(kMaxTagBytes);
  reader.require(!message.label.empty(), "a target without a name");
}

DD_MESSAGE(CreateSnapshotMessage);
DD_MESSAGE(PrepareSnapshotMessage);
DD_MESSAGE(CommitSnapshotMessage);
DD_MESSAGE(AbortSnapshotMessage);
DD_MESSAGE(ResizeMessage);
DD_MESSAGE(ResizedMessage);
DD_MESSAGE(DeleteSnapshotMessage);
DD_MESSAGE(ListSnapshotsMessage);
DD_MESSAGE(SnapshotListMessage);
DD_MESSAGE(SetPriorityMessage);
DD_MESSAGE(AddUseCountMessage);
DD_MESSAGE(UseCountMessage);
DD_MESSAGE(ListTargetsMessage);
DD_MESSAGE(TargetListMessage);
DD_MESSAGE(ForceDetachMessage);

}  // namespace ddsnap
