// What watchers ask a server: who holds the room in the snapstore, and what happened.
#include "ddsnap/base/limits.h"
#include "ddsnap/wire/cli_messages.h"
#include "ddsnap/wire/codec.h"

namespace ddsnap {

constexpr std::size_t kSpaceEntryBytes = 24;
constexpr std::size_t kMinEventEntryBytes = 19;

static void write_body(BodyWriter& writer, const GetSpaceMessage& message) {
  writer.u64(message.after.value);
}
static void read_body(BodyReader& reader, GetSpaceMessage& message) {
  message.after = Epoch{reader.u64()};
}

static void write_body(BodyWriter& writer, const SpaceListMessage& message) {
  DD_CHECK(message.entries.size() <= kMaxSpaceEntries);
  writer.u8(message.has_more ? 1 : 0);
  writer.u32(static_cast<std::uint32_t>(message.entries.size()));
  for (const SpaceEntry& entry : message.entries)
    for (const std::uint64_t value : {entry.epoch.value, entry.unique_chunks, entry.shared_chunks})
      writer.u64(value);
}
static void read_body(BodyReader& reader, SpaceListMessage& message) {
  message.has_more = reader.flag();
  message.entries.resize(reader.count(reader.u32(), kMaxSpaceEntries, kSpaceEntryBytes));
  for (SpaceEntry& entry : message.entries)
    for (std::uint64_t* value : {&entry.epoch.value, &entry.unique_chunks, &entry.shared_chunks})
      *value = reader.u64();
  reader.require(!message.has_more || !message.entries.empty(), "an empty part of a list");
}

static void write_body(BodyWriter& writer, const GetEventsMessage& message) {
  writer.u64(message.after);
}
static void read_body(BodyReader& reader, GetEventsMessage& message) {
  message.after = reader.u64();
}

static void write_body(BodyWriter& writer, const EventListMessage& message) {
  DD_CHECK(message.entries.size() <= kMaxEventEntries);
  for (const std::uint64_t value : {message.started_ns, message.warnings, message.errors})
    writer.u64(value);
  writer.u8(message.has_more ? 1 : 0);
  writer.u32(static_cast<std::uint32_t>(message.entries.size()));
  for (const EventEntry& entry : message.entries) {
    writer.u64(entry.number);
    writer.u64(entry.time_ns);
    writer.u8(static_cast<std::uint8_t>(entry.level));
    writer.text(entry.text, kMaxLogLineBytes);
  }
}

static EventEntry read_event(BodyReader& reader) {
  EventEntry entry;
  entry.number = reader.u64();
  entry.time_ns = reader.u64();
  const std::uint8_t level = reader.u8();
  reader.require(level >= 1 && level <= 3, "an unknown level of an event");
  entry.level = static_cast<EventLevel>(level);
  entry.text = reader.text(kMaxLogLineBytes);
  return entry;
}

static void read_body(BodyReader& reader, EventListMessage& message) {
  for (std::uint64_t* value : {&message.started_ns, &message.warnings, &message.errors})
    *value = reader.u64();
  message.has_more = reader.flag();
  message.entries.resize(reader.count(reader.u32(), kMaxEventEntries, kMinEventEntryBytes));
  std::uint64_t least = 0;
  for (EventEntry& entry : message.entries) {
    entry = read_event(reader);
    reader.require(entry.number > least, "events out of order");
    least = entry.number;
  }
  reader.require(!message.has_more || !message.entries.empty(), "an empty part of a list");
}

DD_MESSAGE(GetSpaceMessage);
DD_MESSAGE(SpaceListMessage);
DD_MESSAGE(GetEventsMessage);
DD_MESSAGE(EventListMessage);

}  // namespace ddsnap
