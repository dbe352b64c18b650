// The long answers to the command line: status, changelists and checks.
#include "ddsnap/base/limits.h"
#include "ddsnap/wire/cli_messages.h"
#include "ddsnap/wire/codec.h"

namespace ddsnap {

constexpr std::size_t kMinChangelistEntryBytes = 5;
constexpr std::uint32_t kLastLadderRung = 3;

static unsigned read_chunk_shift(BodyReader& reader) {
  const std::uint32_t shift = reader.u32();
  reader.require(shift >= kMinChunkShift && shift <= kMaxChunkShift, "an impossible chunk size");
  return shift;
}

static void write_body(BodyWriter&, const GetStatusMessage&) {}
static void read_body(BodyReader&, GetStatusMessage&) {}

static void write_body(BodyWriter& writer, const ServerStatusMessage& message) {
  writer.uuid(message.store_uuid);
  writer.u32(message.chunk_shift);
  writer.u32(message.ladder);
  for (const std::uint64_t value :
       {message.origin_bytes, message.created_ns, message.slots_total, message.slots_free,
        message.metadata_bytes_total, message.metadata_bytes_used, message.journal_bytes_total,
        message.journal_bytes_used, message.boundaries, message.exceptions, message.targets_present,
        message.targets_absent, message.first_writes, message.batches, message.lost_chunks,
        message.repeated_writes})
    writer.u64(value);
  writer.text(message.origin_path, kMaxPathBytes);
  writer.text(message.snapstore_path, kMaxPathBytes);
  writer.text(message.metadata_path, kMaxPathBytes);
  writer.text(message.ladder_why, kMaxStatusTextBytes);
  writer.u8(message.origin_stops ? 1 : 0);
  for (const std::uint8_t percent : message.warn_percent) writer.u8(percent);
  DD_CHECK(message.warnings.size() <= kMaxStatusWarnings);
  writer.u32(static_cast<std::uint32_t>(message.warnings.size()));
  for (const std::string& warning : message.warnings) writer.text(warning, kMaxStatusTextBytes);
}

static void read_body(BodyReader& reader, ServerStatusMessage& message) {
  message.store_uuid = reader.uuid();
  message.chunk_shift = read_chunk_shift(reader);
  message.ladder = reader.u32();
  reader.require(message.ladder <= kLastLadderRung, "an unknown state of the store");
  for (std::uint64_t* value :
       {&message.origin_bytes, &message.created_ns, &message.slots_total, &message.slots_free,
        &message.metadata_bytes_total, &message.metadata_bytes_used, &message.journal_bytes_total,
        &message.journal_bytes_used, &message.boundaries, &message.exceptions,
        &message.targets_present, &message.targets_absent, &message.first_writes, &message.batches,
        &message.lost_chunks, &message.repeated_writes})
    *value = reader.u64();
  message.origin_path = reader.text(kMaxPathBytes);
  message.snapstore_path = reader.text(kMaxPathBytes);
  message.metadata_path = reader.text(kMaxPathBytes);
  message.ladder_why = reader.text(kMaxStatusTextBytes);
  message.origin_stops = reader.flag();
  for (std::uint8_t& percent : message.warn_percent) {
    percent = reader.u8();
    reader.require(percent <= 100, "an impossible share");
  }
  const std::uint32_t count = reader.count(reader.u32(), kMaxStatusWarnings, 2);
  for (std::uint32_t i = 0; i < count; ++i)
    message.warnings.push_back(reader.text(kMaxStatusTextBytes));
}

static void write_body(BodyWriter& writer, const GetChangelistMessage& message) {
  writer.u64(message.start_chunk);
  writer.text(message.from_tag, kMaxTagBytes);
  writer.text(message.to_tag, kMaxTagBytes);
}
static void read_body(BodyReader& reader, GetChangelistMessage& message) {
  message.start_chunk = reader.u64();
  message.from_tag = reader.text(kMaxTagBytes);
  message.to_tag = reader.text(kMaxTagBytes);
  reader.require(message.start_chunk <= kMaxChunks, "a chunk beyond 2^32");
  require_tag(reader, message.from_tag);
  if (message.to_tag != "now") require_tag(reader, message.to_tag);
}

// `next_chunk` is written as the number, and as all ones for "complete".
constexpr std::uint64_t kComplete = ~std::uint64_t{0};

static void write_body(BodyWriter& writer, const ChangelistPartMessage& message) {
  DD_CHECK(message.entries.size() <= kMaxChangelistEntries);
  writer.uuid(message.from_uuid);
  writer.uuid(message.to_uuid);
  writer.u64(message.from_bytes);
  writer.u64(message.to_bytes);
  writer.u32(message.chunk_shift);
  writer.u64(message.next_chunk.value_or(kComplete));
  writer.u32(static_cast<std::uint32_t>(message.entries.size()));
  for (const auto& entry : message.entries) {
    writer.u32(entry.chunk.value);
    writer.u8(entry.from_hash ? 1 : 0);
    if (entry.from_hash) writer.u64(entry.from_hash->value);
  }
}

static void read_entries(BodyReader& reader, ChangelistPartMessage& message) {
  message.entries.resize(
      reader.count(reader.u32(), kMaxChangelistEntries, kMinChangelistEntryBytes));
  std::uint64_t least = 0;
  for (auto& entry : message.entries) {
    entry.chunk = ChunkNr{reader.u32()};
    reader.require(entry.chunk.value >= least, "chunks that do not ascend");
    least = std::uint64_t{entry.chunk.value} + 1;
    if (reader.flag()) entry.from_hash = ChunkHash{reader.u64()};
  }
  if (message.next_chunk)
    reader.require(*message.next_chunk >= least && *message.next_chunk <= kMaxChunks,
                   "a part that does not go on behind its end");
}

static void read_body(BodyReader& reader, ChangelistPartMessage& message) {
  message.from_uuid = reader.uuid();
  message.to_uuid = reader.uuid();
  message.from_bytes = reader.u64();
  message.to_bytes = reader.u64();
  message.chunk_shift = read_chunk_shift(reader);
  if (const std::uint64_t next = reader.u64(); next != kComplete) message.next_chunk = next;
  read_entries(reader, message);
}

static void write_place(BodyWriter& writer, const CheckPlace& place) {
  writer.u8(place.phase);
  for (const std::uint64_t value : {place.a, place.b, place.c}) writer.u64(value);
}

static CheckPlace read_place(BodyReader& reader) {
  CheckPlace place;
  place.phase = reader.u8();
  for (std::uint64_t* value : {&place.a, &place.b, &place.c}) *value = reader.u64();
  return place;
}

static void write_body(BodyWriter& writer, const CheckStoreMessage& message) {
  write_place(writer, message.from);
}
static void read_body(BodyReader& reader, CheckStoreMessage& message) {
  message.from = read_place(reader);
}

constexpr std::size_t kMinCheckEntryBytes = 3;

static void write_body(BodyWriter& writer, const CheckPartMessage& message) {
  DD_CHECK(message.entries.size() <= kMaxCheckEntries);
  write_place(writer, message.next);
  writer.u64(message.bytes_read);
  writer.u64(message.blocks_checked);
  writer.u64(message.slots_checked);
  writer.u32(static_cast<std::uint32_t>(message.entries.size()));
  for (const auto& entry : message.entries) {
    writer.u8(static_cast<std::uint8_t>(entry.kind));
    if (entry.kind == CheckPartMessage::Kind::kFinding) {
      writer.text(entry.text, kMaxFindingBytes);
      continue;
    }
    for (const std::uint64_t value :
         {entry.oldest.value, entry.newest.value, entry.first_chunk, entry.end_chunk})
      writer.u64(value);
  }
}

static CheckPartMessage::Entry read_check_entry(BodyReader& reader) {
  CheckPartMessage::Entry entry;
  const std::uint8_t kind = reader.u8();
  reader.require(kind >= 1 && kind <= 4, "an unknown kind of damage");
  entry.kind = static_cast<CheckPartMessage::Kind>(kind);
  if (entry.kind == CheckPartMessage::Kind::kFinding) {
    entry.text = reader.text(kMaxFindingBytes);
    return entry;
  }
  for (std::uint64_t* value :
       {&entry.oldest.value, &entry.newest.value, &entry.first_chunk, &entry.end_chunk})
    *value = reader.u64();
  reader.require(entry.first_chunk < entry.end_chunk && entry.end_chunk <= kMaxChunks,
                 "chunks that there cannot be");
  return entry;
}

static void read_body(BodyReader& reader, CheckPartMessage& message) {
  message.next = read_place(reader);
  message.bytes_read = reader.u64();
  message.blocks_checked = reader.u64();
  message.slots_checked = reader.u64();
  message.entries.resize(reader.count(reader.u32(), kMaxCheckEntries, kMinCheckEntryBytes));
  for (auto& entry : message.entries) entry = read_check_entry(reader);
}

DD_MESSAGE(CheckStoreMessage);
DD_MESSAGE(CheckPartMessage);
DD_MESSAGE(GetStatusMessage);
DD_MESSAGE(ServerStatusMessage);
DD_MESSAGE(GetChangelistMessage);
DD_MESSAGE(ChangelistPartMessage);

}  // namespace ddsnap
