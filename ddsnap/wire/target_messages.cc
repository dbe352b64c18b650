// Questions and answers between a target and its server, and the orders that the server gives.
#include "ddsnap/base/limits.h"
#include "ddsnap/wire/codec.h"
#include "ddsnap/wire/shared_structs.h"

namespace ddsnap {

static_assert(sizeof(ddsnap_ranges) == 8 && offsetof(ddsnap_ranges, range) == 8);
static_assert(sizeof(ddsnap_grant) == 24 && offsetof(ddsnap_grant, range) == 24);
static_assert(sizeof(ddsnap_located_entry) == 24 && offsetof(ddsnap_located_entry, hash) == 8);
static_assert(offsetof(ddsnap_located_entry, place) == 16);
static_assert(sizeof(ddsnap_located) == 8 && sizeof(ddsnap_barrier) == 24);
static_assert(offsetof(ddsnap_barrier, epoch) == 8 && offsetof(ddsnap_barrier, count) == 16);

constexpr std::uint32_t kMaxErrno = 4095;

// ---- the three questions ----
template <class Message>
concept Question =
    std::same_as<Message, PrepareWriteMessage> || std::same_as<Message, LocateMessage> ||
    std::same_as<Message, PrepareSnapshotWriteMessage>;

template <Question Message>
static void write_body(BodyWriter& writer, const Message& message) {
  DD_CHECK(!message.ranges.empty() && total_chunks(message.ranges) <= kMaxChunksPerQuestion);
  writer.u32(static_cast<std::uint32_t>(message.ranges.size()));
  writer.u32(0);
  write_ranges(writer, message.ranges);
}

template <Question Message>
static void read_body(BodyReader& reader, Message& message) {
  const auto wire = reader.plain<ddsnap_ranges>();
  reader.require(wire.reserved == 0, "reserved bytes are not zero");
  message.ranges = read_ranges(reader, to_le(wire.count));
  reader.require(!message.ranges.empty(), "a question without ranges");
  reader.require(total_chunks(message.ranges) <= kMaxChunksPerQuestion,
                 "a question about too many chunks");
}

// ---- GRANT ----
static void write_body(BodyWriter& writer, const GrantMessage& message) {
  writer.u64(message.epoch.value);
  writer.u32(static_cast<std::uint32_t>(message.result_errno));
  writer.u32(message.is_last ? 1 : 0);
  writer.u32(static_cast<std::uint32_t>(message.ranges.size()));
  writer.u32(0);
  write_ranges(writer, message.ranges);
}

static void read_body(BodyReader& reader, GrantMessage& message) {
  const auto wire = reader.plain<ddsnap_grant>();
  reader.require(to_le(wire.result) <= kMaxErrno, "an impossible errno");
  reader.require(to_le(wire.last) <= 1, "a flag is neither 0 nor 1");
  reader.require(wire.reserved == 0, "reserved bytes are not zero");
  message.epoch = Epoch{to_le(static_cast<std::uint64_t>(wire.epoch))};
  message.result_errno = static_cast<int>(to_le(wire.result));
  message.is_last = wire.last != 0;
  message.ranges = read_ranges(reader, to_le(wire.count));
}

// ---- LOCATED ----
static bool has_slot(Place place) {
  return place == Place::kSlot || place == Place::kPrivate;
}
static bool has_hash(Place place) {
  return place == Place::kSlot || place == Place::kZero;
}

static void write_body(BodyWriter& writer, const LocatedMessage& message) {
  DD_CHECK(message.entries.size() <= kMaxChunksPerAnswer);
  writer.u32(static_cast<std::uint32_t>(message.entries.size()));
  writer.u32(message.is_last ? 1 : 0);
  for (const LocatedEntry& entry : message.entries) {
    const bool is_nowhere = entry.place == Place::kNowhere;
    DD_CHECK(is_nowhere == (entry.result_errno != 0));
    writer.plain(ddsnap_located_entry{to_le(entry.chunk.value),
                                      to_le(has_slot(entry.place) ? entry.slot.value : 0),
                                      to_le<__u64>(has_hash(entry.place) ? entry.hash.value : 0),
                                      to_le(static_cast<std::uint32_t>(entry.place)),
                                      to_le(static_cast<std::uint32_t>(entry.result_errno))});
  }
}

static LocatedEntry read_entry(BodyReader& reader) {
  const auto wire = reader.plain<ddsnap_located_entry>();
  const std::uint32_t result = to_le(wire.result);
  const std::uint32_t place = to_le(wire.place);
  reader.require(place >= DDSNAP_AT_ORIGIN && place <= DDSNAP_AT_NOWHERE, "an unknown place");
  reader.require(result <= kMaxErrno, "an impossible errno");
  reader.require((place == DDSNAP_AT_NOWHERE) == (result != 0),
                 "an errno is given exactly where a chunk is nowhere");
  LocatedEntry entry{
      ChunkNr{to_le(wire.chunk)}, static_cast<Place>(place), SlotNr{to_le(wire.slot)},
      ChunkHash{to_le(static_cast<std::uint64_t>(wire.hash))}, static_cast<int>(result)};
  reader.require(has_slot(entry.place) || entry.slot.value == 0, "a slot where none belongs");
  reader.require(has_hash(entry.place) || entry.hash.value == 0, "a hash where none belongs");
  return entry;
}

static void read_body(BodyReader& reader, LocatedMessage& message) {
  const auto wire = reader.plain<ddsnap_located>();
  reader.require(to_le(wire.last) <= 1, "a flag is neither 0 nor 1");
  message.is_last = wire.last != 0;
  message.entries.resize(
      reader.count(to_le(wire.count), kMaxChunksPerAnswer, sizeof(ddsnap_located_entry)));
  for (LocatedEntry& entry : message.entries) entry = read_entry(reader);
}

// ---- barriers and invalidations: one struct ----
struct BarrierBody {
  std::uint64_t number = 0;
  Epoch epoch;
  std::vector<ChunkRange> ranges;
};

static void write_barrier(BodyWriter& writer, const BarrierBody& body) {
  writer.u64(body.number);
  writer.u64(body.epoch.value);
  writer.u32(static_cast<std::uint32_t>(body.ranges.size()));
  writer.u32(0);
  write_ranges(writer, body.ranges);
}

static BarrierBody read_barrier(BodyReader& reader) {
  const auto wire = reader.plain<ddsnap_barrier>();
  reader.require(wire.reserved == 0, "reserved bytes are not zero");
  return {to_le(static_cast<std::uint64_t>(wire.number)),
          Epoch{to_le(static_cast<std::uint64_t>(wire.epoch))},
          read_ranges(reader, to_le(wire.count))};
}

template <class Message>
concept NumberAlone =
    std::same_as<Message, BarrierMessage> || std::same_as<Message, BarrierAckMessage> ||
    std::same_as<Message, InvalidateAckMessage>;

template <NumberAlone Message>
static void write_body(BodyWriter& writer, const Message& message) {
  write_barrier(writer, {message.number, {}, {}});
}
template <NumberAlone Message>
static void read_body(BodyReader& reader, Message& message) {
  const BarrierBody body = read_barrier(reader);
  reader.require(!body.epoch && body.ranges.empty(), "fields that do not belong here");
  message.number = body.number;
}

static void write_body(BodyWriter& writer, const ReleaseMessage& message) {
  write_barrier(writer, {message.number, message.epoch, {}});
}
static void read_body(BodyReader& reader, ReleaseMessage& message) {
  const BarrierBody body = read_barrier(reader);
  reader.require(body.ranges.empty(), "fields that do not belong here");
  message = {body.number, body.epoch};
}

static void write_body(BodyWriter& writer, const InvalidateMessage& message) {
  write_barrier(writer, {message.number, {}, message.ranges});
}
static void read_body(BodyReader& reader, InvalidateMessage& message) {
  BarrierBody body = read_barrier(reader);
  reader.require(!body.epoch, "fields that do not belong here");
  reader.require(!body.ranges.empty(), "an invalidation without ranges");
  message = {body.number, std::move(body.ranges)};
}

// ---- no body ----
template <class Message>
concept Bodyless = std::same_as<Message, DroppedMessage> ||
                   std::same_as<Message, DroppedAckMessage> || std::same_as<Message, DetachMessage>;

template <Bodyless Message>
static void write_body(BodyWriter&, const Message&) {}
template <Bodyless Message>
static void read_body(BodyReader&, Message&) {}

DD_MESSAGE(PrepareWriteMessage);
DD_MESSAGE(GrantMessage);
DD_MESSAGE(LocateMessage);
DD_MESSAGE(PrepareSnapshotWriteMessage);
DD_MESSAGE(LocatedMessage);
DD_MESSAGE(BarrierMessage);
DD_MESSAGE(BarrierAckMessage);
DD_MESSAGE(ReleaseMessage);
DD_MESSAGE(DroppedMessage);
DD_MESSAGE(DroppedAckMessage);
DD_MESSAGE(InvalidateMessage);
DD_MESSAGE(InvalidateAckMessage);
DD_MESSAGE(DetachMessage);

}  // namespace ddsnap
