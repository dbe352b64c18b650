#include "ddsnap/delta/changelist_file.h"

#include <fmt/format.h>

#include <cstring>

#include "ddsnap/base/endian.h"
#include "ddsnap/base/limits.h"
#include "ddsnap/delta/bytes.h"
#include "ddsnap/delta/stored_text.h"

namespace ddsnap {

namespace {

constexpr char kMagic[8] = {'D', 'D', 'S', 'C', 'H', 'G', 'L', 'S'};
constexpr std::uint16_t kVersionNumber = 1;
constexpr std::uint64_t kHeaderSeed = 0x4853474844534444;  // salts: a section read as another fails
constexpr std::uint64_t kRangesSeed = 0x47524c4344534444;
constexpr std::uint64_t kHashesSeed = 0x53484c4344534444;

enum : std::uint32_t { kFlagToIsNow = 1, kFlagHasHashes = 2, kFlagsKnown = 3 };

struct XDiskChangelistHeader {
  char magic[8];
  le16 version;
  std::uint8_t chunk_shift;
  std::uint8_t reserved0;
  le32 flags;
  XDiskUuid from_uuid;
  XDiskUuid to_uuid;
  le64 from_bytes;
  le64 to_bytes;
  le64 chunk_count;
  le64 range_count;
  le64 ranges_bytes;  // length of the section of ranges
  le64 hashes_bytes;  // length of the section of hashes; 0: dropped
  XDiskTag from_tag;
  XDiskTag to_tag;
  le64 ranges_checksum;
  le64 hashes_checksum;
  le64 reserved1;
  le64 header_checksum;  // of all before it
};
static_assert(sizeof(XDiskChangelistHeader) == 256 && alignof(XDiskChangelistHeader) == 1);
static_assert(offsetof(XDiskChangelistHeader, from_tag) == 96);
static_assert(offsetof(XDiskChangelistHeader, header_checksum) == 248);

constexpr std::uint64_t kLongestRangeBytes = 11;  // a varint of 33 + 1 bits, one of 32 bits, spare

std::unexpected<Error> damaged(const char* what) {
  return fail(ErrorCode::kDamaged, fmt::format("not a whole changelist: {}", what));
}

// A range is its gap to the end of the one before, doubled, plus 1 when a second number gives its
// length less 2; without it the length is 1. A million lone chunks take little more than a byte
// each.
std::vector<std::byte> encode_ranges(const std::vector<ChunkRange>& ranges) {
  std::vector<std::byte> out;
  std::uint64_t end = 0;
  for (const ChunkRange& range : ranges) {
    const std::uint64_t gap = range.first.value - end;
    append_varint(out, gap * 2 + (range.count > 1 ? 1 : 0));
    if (range.count > 1) append_varint(out, range.count - 2);
    end = range.end();
  }
  return out;
}

Result<std::vector<ChunkRange>> decode_ranges(std::span<const std::byte> bytes,
                                              std::uint64_t range_count) {
  ByteReader reader(bytes);
  std::vector<ChunkRange> ranges;
  ranges.reserve(std::min<std::uint64_t>(range_count, bytes.size()));
  std::uint64_t end = 0;
  for (std::uint64_t i = 0; i < range_count; ++i) {
    const auto coded_gap = reader.take_varint();
    if (!coded_gap || *coded_gap / 2 >= kMaxChunks) return damaged("a range is wrong");
    std::uint64_t count = 1;
    if (*coded_gap % 2 == 1) {
      const auto coded_count = reader.take_varint();
      if (!coded_count || *coded_count > UINT32_MAX - 2u) return damaged("a length is wrong");
      count = *coded_count + 2;
    }
    const std::uint64_t first = end + *coded_gap / 2;
    if (first + count > kMaxChunks) return damaged("a range ends beyond 2^32 chunks");
    ranges.push_back({{static_cast<std::uint32_t>(first)}, static_cast<std::uint32_t>(count)});
    end = first + count;
  }
  if (!reader.is_at_end()) return damaged("bytes follow the ranges");
  return ranges;
}

std::uint64_t bitmap_bytes(std::uint64_t count) {
  return (count + 7) / 8;
}

// A bitmap of which chunks have a hash, then those hashes.
std::vector<std::byte> encode_hashes(const std::vector<std::optional<ChunkHash>>& before) {
  std::vector<std::byte> out(bitmap_bytes(before.size()));
  for (std::size_t i = 0; i < before.size(); ++i) {
    if (!before[i]) continue;
    out[i / 8] |= static_cast<std::byte>(1u << (i % 8));
    append_struct(out, le64(before[i]->value));
  }
  return out;
}

Result<std::vector<std::optional<ChunkHash>>> decode_hashes(std::span<const std::byte> bytes,
                                                            std::uint64_t chunk_count) {
  ByteReader reader(bytes);
  const auto bitmap = reader.take_bytes(bitmap_bytes(chunk_count));
  if (!bitmap) return damaged("hashes are missing");
  std::vector<std::optional<ChunkHash>> before(chunk_count);
  for (std::uint64_t i = 0; i < bitmap->size() * 8; ++i) {
    if (((*bitmap)[i / 8] >> (i % 8) & std::byte{1}) == std::byte{0}) continue;
    const auto hash = reader.take_struct<le64>();
    if (!hash || i >= chunk_count) return damaged("hashes are missing");
    before[i] = ChunkHash{hash->get()};
  }
  if (!reader.is_at_end()) return damaged("bytes follow the hashes");
  return before;
}

XDiskChangelistHeader pack(const Changelist& list, std::span<const std::byte> ranges,
                           std::span<const std::byte> hashes) {
  XDiskChangelistHeader disk{};
  std::memcpy(disk.magic, kMagic, sizeof kMagic);
  disk.version = kVersionNumber;
  disk.chunk_shift = static_cast<std::uint8_t>(list.chunk_shift);
  disk.flags = (list.to_is_now ? kFlagToIsNow : 0u) | (list.before.empty() ? 0u : kFlagHasHashes);
  disk.from_uuid = pack_uuid(list.from_uuid);
  disk.to_uuid = pack_uuid(list.to_uuid);
  disk.from_bytes = list.from_bytes;
  disk.to_bytes = list.to_bytes;
  disk.chunk_count = list.chunk_count();
  disk.range_count = list.ranges.size();
  disk.ranges_bytes = ranges.size();
  disk.hashes_bytes = hashes.size();
  disk.from_tag = pack_tag(list.from_tag);
  disk.to_tag = pack_tag(list.to_tag);
  disk.ranges_checksum = checksum_of(ranges, kRangesSeed);
  disk.hashes_checksum = checksum_of(hashes, kHashesSeed);
  disk.header_checksum = checksum_of(
      bytes_of(disk).first(offsetof(XDiskChangelistHeader, header_checksum)), kHeaderSeed);
  return disk;
}

Status check_header(const XDiskChangelistHeader& disk) {
  if (std::memcmp(disk.magic, kMagic, sizeof kMagic) != 0)
    return fail(ErrorCode::kDamaged, "not a changelist");
  if (disk.version.get() != kVersionNumber)
    return fail(ErrorCode::kVersion,
                fmt::format("a changelist of version {}; this program knows version {}",
                            disk.version.get(), kVersionNumber));
  const auto covered = bytes_of(disk).first(offsetof(XDiskChangelistHeader, header_checksum));
  if (disk.header_checksum.get() != checksum_of(covered, kHeaderSeed))
    return damaged("the header's checksum is wrong");
  if (disk.reserved0 != 0 || disk.reserved1.get() != 0 || (disk.flags.get() & ~kFlagsKnown) != 0)
    return damaged("reserved fields are set");
  const bool has_hashes = (disk.flags.get() & kFlagHasHashes) != 0;
  const std::uint64_t chunks = disk.chunk_count.get();
  const std::uint64_t hashes_bytes = disk.hashes_bytes.get();
  if (chunks > kMaxChunks || disk.range_count.get() > chunks ||
      disk.ranges_bytes.get() > disk.range_count.get() * kLongestRangeBytes)
    return damaged("its counts disagree");
  if (hashes_bytes > bitmap_bytes(chunks) + chunks * 8 ||
      (has_hashes ? hashes_bytes < bitmap_bytes(chunks) : hashes_bytes != 0))
    return damaged("the size of its hashes is wrong");
  return {};
}

Status unpack(const XDiskChangelistHeader& disk, Changelist& list) {
  list.from_uuid = unpack_uuid(disk.from_uuid);
  list.to_uuid = unpack_uuid(disk.to_uuid);
  list.from_tag = DD_TRY(unpack_tag(disk.from_tag));
  list.to_tag = DD_TRY(unpack_tag(disk.to_tag));
  list.from_bytes = disk.from_bytes.get();
  list.to_bytes = disk.to_bytes.get();
  list.chunk_shift = disk.chunk_shift;
  list.to_is_now = (disk.flags.get() & kFlagToIsNow) != 0;
  return {};
}

Result<Changelist> read_whole(ByteSource& source) {
  XDiskChangelistHeader disk;
  DD_TRY(read_fully(source, std::as_writable_bytes(std::span(&disk, 1))));
  DD_TRY(check_header(disk));
  Changelist list;
  DD_TRY(unpack(disk, list));
  const auto ranges = DD_TRY(read_section(source, disk.ranges_bytes.get()));
  if (checksum_of(ranges, kRangesSeed) != disk.ranges_checksum.get())
    return damaged("the checksum of its ranges is wrong");
  list.ranges = DD_TRY(decode_ranges(ranges, disk.range_count.get()));
  if (list.chunk_count() != disk.chunk_count.get()) return damaged("its counts disagree");
  const auto hashes = DD_TRY(read_section(source, disk.hashes_bytes.get()));
  if (checksum_of(hashes, kHashesSeed) != disk.hashes_checksum.get())
    return damaged("the checksum of its hashes is wrong");
  if ((disk.flags.get() & kFlagHasHashes) != 0)
    list.before = DD_TRY(decode_hashes(hashes, disk.chunk_count.get()));
  DD_TRY(list.check());
  DD_TRY(expect_end(source));
  return list;
}

}  // namespace

Status write_changelist(ByteSink& sink, const Changelist& list) {
  const auto ranges = encode_ranges(list.ranges);
  const auto hashes = encode_hashes(list.before);
  const XDiskChangelistHeader disk = pack(list, ranges, hashes);
  DD_TRY(sink.write(bytes_of(disk)));
  DD_TRY(sink.write(ranges));
  return sink.write(hashes);
}

Result<Changelist> read_changelist(ByteSource& source) {
  auto list = read_whole(source);
  if (!list) return with_context(source.name(), std::move(list).error());
  return list;
}

Status write_changelist_file(const std::string& path, const Changelist& list) {
  DD_TRY(list.check());
  const auto sink = DD_TRY(open_sink(path));
  DD_TRY(write_changelist(*sink, list));
  return sink->finish();
}

Result<Changelist> read_changelist_file(const std::string& path) {
  const auto source = DD_TRY(open_source(path));
  return read_changelist(*source);
}

}  // namespace ddsnap
