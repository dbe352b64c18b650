#include "ddsnap/wire/shared_structs.h"

#include "ddsnap/base/limits.h"

namespace ddsnap {
namespace {

static_assert(sizeof(ddsnap_device_id) == 24 && offsetof(ddsnap_device_id, device) == 8);
static_assert(sizeof(ddsnap_pair) == 48 && offsetof(ddsnap_pair, origin) == 24);
static_assert(sizeof(ddsnap_range) == 8);

ddsnap_device_id to_wire(const DeviceId& id) {
  return {to_le(static_cast<std::uint32_t>(id.kind)), 0, to_le<__u64>(id.device),
          to_le<__u64>(id.inode)};
}

DeviceId from_wire(BodyReader& reader, const ddsnap_device_id& wire) {
  DeviceId id{static_cast<DeviceId::Kind>(to_le(wire.kind)), to_le(wire.device), to_le(wire.inode)};
  reader.require(wire.reserved == 0, "reserved bytes are not zero");
  switch (id.kind) {
    case DeviceId::Kind::kNone:
      reader.require(id.device == 0 && id.inode == 0, "a device without a kind");
      break;
    case DeviceId::Kind::kBlock:
      reader.require(id.inode == 0, "a block device with an inode");
      break;
    case DeviceId::Kind::kFile:
      break;
    default:
      reader.reject("an unknown kind of device");
  }
  return id;
}

}  // namespace

ddsnap_pair to_wire(const DevicePair& pair) {
  return {to_wire(pair.snapstore), to_wire(pair.origin)};
}

DevicePair from_wire(BodyReader& reader, const ddsnap_pair& pair) {
  return {from_wire(reader, pair.snapstore), from_wire(reader, pair.origin)};
}

void write_ranges(BodyWriter& writer, std::span<const ChunkRange> ranges) {
  DD_CHECK(ranges.size() <= kMaxRangesPerMessage);
  for (const ChunkRange& range : ranges) {
    DD_CHECK(range.count > 0 && range.end() <= kMaxChunks);
    writer.plain(ddsnap_range{to_le(range.first.value), to_le(range.count)});
  }
}

std::vector<ChunkRange> read_ranges(BodyReader& reader, std::uint32_t count) {
  std::vector<ChunkRange> ranges(reader.count(count, kMaxRangesPerMessage, sizeof(ddsnap_range)));
  for (ChunkRange& range : ranges) {
    const auto wire = reader.plain<ddsnap_range>();
    range = {ChunkNr{to_le(wire.first)}, to_le(wire.count)};
    reader.require(range.count > 0, "an empty range");
    reader.require(range.end() <= kMaxChunks, "a range beyond 2^32 chunks");
  }
  return ranges;
}

std::uint64_t total_chunks(std::span<const ChunkRange> ranges) {
  std::uint64_t total = 0;
  for (const ChunkRange& range : ranges) total += range.count;
  return total;
}

}  // namespace ddsnap
