#include "ddsnap/delta/delta_frame.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <utility>

#include "ddsnap/base/endian.h"
#include "ddsnap/base/limits.h"
#include "ddsnap/delta/bytes.h"
#include "ddsnap/delta/stream_hash.h"

namespace ddsnap {

namespace {

constexpr char kFrameMagic[4] = {'D', 'D', 'F', 'R'};

struct XDiskFrame {
  char magic[4];
  std::uint8_t encoding;
  std::uint8_t reserved0[3];
  le32 entry_count;
  le32 data_bytes;
  le32 payload_bytes;
  le32 reserved1;
  le64 frame_nr;
  std::byte hash[16];  // of delta uuid, the fields above, entries, payload
};
static_assert(sizeof(XDiskFrame) == kFrameHeaderStoredBytes && alignof(XDiskFrame) == 1);
static_assert(offsetof(XDiskFrame, hash) == 32);

struct XDiskEntry {
  le32 first_chunk;
  le16 count;
  std::uint8_t content;
  std::uint8_t before_kind;
  le64 before;
  le64 after;
};
static_assert(sizeof(XDiskEntry) == kFrameEntryBytes && alignof(XDiskEntry) == 1);

std::unexpected<Error> damaged(std::string text) {
  return fail(ErrorCode::kDamaged, std::move(text));
}

// `begin` is the fixed part up to the hash.
Hash128 frame_hash(const DeltaHeader& header, std::span<const std::byte> begin,
                   std::span<const std::byte> table, std::span<const std::byte> payload) {
  StreamHash hash;
  hash.update(header.delta_uuid.bytes);
  hash.update(begin);
  hash.update(table);
  hash.update(payload);
  return hash.digest();
}

XDiskEntry pack(const FrameEntry& entry) {
  XDiskEntry disk{};
  disk.first_chunk = entry.first.value;
  disk.count = static_cast<std::uint16_t>(entry.count);
  disk.content = static_cast<std::uint8_t>(entry.content);
  disk.before_kind = static_cast<std::uint8_t>(entry.before_kind);
  disk.before = entry.before.value;
  disk.after = entry.after.value;
  return disk;
}

Status check_kinds(const XDiskEntry& disk, Encoding encoding) {
  if (disk.content < 1 || disk.content > static_cast<std::uint8_t>(ContentKind::kSame))
    return damaged(fmt::format("content kind {} is not known", disk.content));
  if (disk.before_kind < 1 || disk.before_kind > static_cast<std::uint8_t>(BeforeKind::kNew))
    return damaged(fmt::format("before kind {} is not known", disk.before_kind));
  const auto content = static_cast<ContentKind>(disk.content);
  const auto before_kind = static_cast<BeforeKind>(disk.before_kind);
  const bool is_known = before_kind == BeforeKind::kKnown;
  if (!is_known && disk.before.get() != 0) return damaged("an unknown hash has a value");
  if (disk.count.get() == 0 ||
      (disk.count.get() > 1 && (content != ContentKind::kZero || is_known)))
    return damaged("a run of chunks is wrong");
  if (content == ContentKind::kSame && (!is_known || disk.before.get() != disk.after.get()))
    return damaged("an unchanged chunk changes");
  // A difference needs to know what it differs from (D3).
  if (encoding == Encoding::kZstdDifference && content == ContentKind::kData &&
      before_kind == BeforeKind::kUnknown)
    return damaged("a difference against unknown content");
  return {};
}

Status check_place(const DeltaHeader& header, const FrameEntry& entry) {
  if (entry.end() > header.to_geometry().chunk_count())
    return damaged(fmt::format("chunk {} lies beyond the volume", entry.end() - 1));
  const bool is_new = entry.before_kind == BeforeKind::kNew;
  const ChunkNr last{static_cast<std::uint32_t>(entry.end() - 1)};
  if (header.is_new(entry.first) != is_new || header.is_new(last) != is_new)
    return damaged(fmt::format("chunk {} contradicts the sizes of the volumes", entry.first.value));
  // Beyond the old end the target may hold anything, so "unchanged" would leave it there.
  if (entry.content == ContentKind::kSame && header.is_boundary(entry.first))
    return damaged(
        fmt::format("chunk {} is said to be unchanged where the volume grew", entry.first.value));
  if (entry.content == ContentKind::kZero && entry.after != hash_of_zero_chunk(header.chunk_shift))
    return damaged("a zero chunk has another hash");
  return {};
}

Result<std::vector<FrameEntry>> decode_entries(const DeltaHeader& header, const FrameShape& shape,
                                               std::span<const std::byte> bytes) {
  std::vector<FrameEntry> entries;
  entries.reserve(shape.entry_count);
  std::uint64_t free_from = 0;
  std::uint64_t data_bytes = 0;
  ByteReader reader(bytes);
  while (const auto disk = reader.take_struct<XDiskEntry>()) {
    DD_TRY(check_kinds(*disk, shape.encoding));
    const FrameEntry entry{.first = {disk->first_chunk.get()},
                           .count = disk->count.get(),
                           .content = static_cast<ContentKind>(disk->content),
                           .before_kind = static_cast<BeforeKind>(disk->before_kind),
                           .before = {disk->before.get()},
                           .after = {disk->after.get()}};
    DD_TRY(check_place(header, entry));
    if (entry.first.value < free_from) return damaged("its chunks do not ascend");
    free_from = entry.end();
    if (entry.content == ContentKind::kData) data_bytes += header.to_geometry().chunk_bytes();
    entries.push_back(entry);
  }
  if (data_bytes != shape.data_bytes)
    return damaged("its content has another size than its chunks");
  return entries;
}

}  // namespace

void append_entry(std::vector<FrameEntry>& entries, FrameEntry entry) {
  const auto may_join = [&entry](const FrameEntry& last) {
    return entry.content == ContentKind::kZero && entry.before_kind != BeforeKind::kKnown &&
           last.content == entry.content && last.before_kind == entry.before_kind &&
           last.end() == entry.first.value && last.count < kMaxRunChunks;
  };
  while (entry.count > 0) {
    const bool joins = !entries.empty() && may_join(entries.back());
    const std::uint32_t room = joins ? kMaxRunChunks - entries.back().count : kMaxRunChunks;
    const std::uint32_t taken = std::min(entry.count, room);
    if (joins) {
      entries.back().count += taken;
    } else {
      entries.push_back(entry);
      entries.back().count = taken;
    }
    entry.first.value += taken;
    entry.count -= taken;
  }
}

std::vector<std::byte> encode_delta_frame_head(const DeltaHeader& header, const DeltaFrame& frame,
                                               std::span<const std::byte> payload) {
  XDiskFrame disk{};
  std::memcpy(disk.magic, kFrameMagic, sizeof kFrameMagic);
  disk.encoding = static_cast<std::uint8_t>(frame.encoding);
  disk.entry_count = static_cast<std::uint32_t>(frame.entries.size());
  disk.data_bytes = frame.data_bytes;
  disk.payload_bytes = static_cast<std::uint32_t>(payload.size());
  disk.frame_nr = frame.frame_nr;
  std::vector<std::byte> out;
  out.reserve(sizeof disk + frame.entries.size() * kFrameEntryBytes);
  append_struct(out, disk);
  for (const FrameEntry& entry : frame.entries) append_struct(out, pack(entry));
  const auto head = std::span<const std::byte>(out);
  const Hash128 digest = frame_hash(header, head.first(offsetof(XDiskFrame, hash)),
                                    head.subspan(sizeof disk), payload);
  std::memcpy(out.data() + offsetof(XDiskFrame, hash), digest.bytes.data(), digest.bytes.size());
  return out;
}

std::vector<std::byte> encode_delta_frame(const DeltaHeader& header, const DeltaFrame& frame) {
  std::vector<std::byte> out = encode_delta_frame_head(header, frame, frame.payload);
  out.insert(out.end(), frame.payload.begin(), frame.payload.end());
  return out;
}

Result<FrameShape> decode_frame_shape(const DeltaHeader& header,
                                      std::span<const std::byte, kFrameHeaderStoredBytes> bytes) {
  const auto disk = struct_in<XDiskFrame>(bytes);
  if (std::memcmp(disk.magic, kFrameMagic, sizeof kFrameMagic) != 0)
    return damaged("no frame begins here");
  if (disk.encoding < 1 || disk.encoding > static_cast<std::uint8_t>(Encoding::kZstdDifference))
    return damaged(fmt::format("encoding {} is not known", disk.encoding));
  constexpr std::uint8_t kZeros[3] = {};
  if (std::memcmp(disk.reserved0, kZeros, sizeof kZeros) != 0 || disk.reserved1.get() != 0)
    return damaged("reserved fields are set");
  const FrameShape shape{.frame_nr = disk.frame_nr.get(),
                         .encoding = static_cast<Encoding>(disk.encoding),
                         .entry_count = disk.entry_count.get(),
                         .data_bytes = disk.data_bytes.get(),
                         .payload_bytes = disk.payload_bytes.get()};
  if (shape.entry_count == 0 || shape.entry_count > header.most_frame_entries())
    return damaged(fmt::format("{} entries are more or less than a frame has", shape.entry_count));
  if (shape.data_bytes > header.frame_data_bytes || shape.payload_bytes > shape.data_bytes)
    return damaged("it announces more content than a frame has");
  const bool is_stored = shape.encoding == Encoding::kStored;
  if (is_stored != (shape.payload_bytes == shape.data_bytes))
    return damaged("its sizes contradict its encoding");
  return shape;
}

Result<DeltaFrame> decode_delta_frame(const DeltaHeader& header,
                                      std::span<const std::byte, kFrameHeaderStoredBytes> fixed,
                                      std::span<const std::byte> table,
                                      std::vector<std::byte> payload) {
  const FrameShape shape = DD_TRY(decode_frame_shape(header, fixed));
  if (table.size() != shape.table_bytes() || payload.size() != shape.payload_bytes)
    return damaged("it has another length");
  const Hash128 hash =
      frame_hash(header, fixed.first<offsetof(XDiskFrame, hash)>(), table, payload);
  if (std::memcmp(hash.bytes.data(), fixed.data() + offsetof(XDiskFrame, hash),
                  hash.bytes.size()) != 0)
    return damaged("its hash is wrong");
  DeltaFrame frame;
  frame.entries = DD_TRY(decode_entries(header, shape, table));
  frame.frame_nr = shape.frame_nr;
  frame.encoding = shape.encoding;
  frame.data_bytes = shape.data_bytes;
  frame.payload = std::move(payload);
  frame.stored_bytes = static_cast<std::uint32_t>(fixed.size() + shape.rest_bytes());
  return frame;
}

Result<DeltaFrame> decode_delta_frame(const DeltaHeader& header,
                                      std::span<const std::byte, kFrameHeaderStoredBytes> fixed,
                                      std::span<const std::byte> rest) {
  const FrameShape shape = DD_TRY(decode_frame_shape(header, fixed));
  if (rest.size() != shape.rest_bytes()) return damaged("it has another length");
  const auto payload = rest.subspan(shape.table_bytes());
  return decode_delta_frame(header, fixed, rest.first(shape.table_bytes()),
                            {payload.begin(), payload.end()});
}

ChunkHash hash_of_zero_chunk(unsigned chunk_shift) {
  static const auto hashes = [] {
    const std::vector<std::byte> zeros(std::size_t{1} << kMaxChunkShift);
    std::array<ChunkHash, kMaxChunkShift + 1> result;
    for (unsigned shift = 0; shift <= kMaxChunkShift; ++shift)
      result[shift] = hash_chunk(std::span(zeros).first(std::size_t{1} << shift));
    return result;
  }();
  return hashes[chunk_shift];
}

}  // namespace ddsnap
