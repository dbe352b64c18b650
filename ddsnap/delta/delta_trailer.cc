#include "ddsnap/delta/delta_trailer.h"

#include <cstddef>
#include <cstring>

#include "ddsnap/base/endian.h"
#include "ddsnap/delta/bytes.h"

namespace ddsnap {

namespace {

constexpr char kIndexMagic[4] = {'D', 'D', 'I', 'X'};
constexpr char kTrailerMagic[8] = {'D', 'D', 'S', 'D', 'T', 'A', 'I', 'L'};
constexpr std::uint64_t kTrailerSeed = 0x4c49415254444444;

struct XDiskIndex {
  char magic[4];
  le32 reserved;
  le64 frame_count;
};
static_assert(sizeof(XDiskIndex) == kIndexHeaderBytes && alignof(XDiskIndex) == 1);

struct XDiskIndexEntry {
  le64 offset_bytes;
  le32 stored_bytes;
  le32 first_chunk;
};
static_assert(sizeof(XDiskIndexEntry) == kIndexEntryBytes && alignof(XDiskIndexEntry) == 1);

struct XDiskTrailer {
  char magic[8];
  le64 frames;
  le64 chunks;
  le64 data_chunks;
  le64 zero_chunks;
  le64 same_chunks;
  le64 payload_bytes;
  le64 index_offset_bytes;
  le64 stream_bytes;
  le64 checksum;  // of all before it
  std::byte stream_hash[kStreamHashBytes];
};
static_assert(sizeof(XDiskTrailer) == kTrailerBytes && alignof(XDiskTrailer) == 1);
static_assert(offsetof(XDiskTrailer, stream_hash) == kTrailerBytes - kStreamHashBytes);

std::unexpected<Error> damaged(std::string text) {
  return fail(ErrorCode::kDamaged, std::move(text));
}

std::uint64_t checksum_before(const XDiskTrailer& disk) {
  return checksum_of(bytes_of(disk).first(offsetof(XDiskTrailer, checksum)), kTrailerSeed);
}

}  // namespace

void add_frame(DeltaTotals& totals, const DeltaFrame& frame, std::size_t payload_bytes) {
  totals.frames += 1;
  totals.payload_bytes += payload_bytes;
  for (const FrameEntry& entry : frame.entries) {
    totals.chunks += entry.count;
    if (entry.content == ContentKind::kData) totals.data_chunks += entry.count;
    if (entry.content == ContentKind::kZero) totals.zero_chunks += entry.count;
    if (entry.content == ContentKind::kSame) totals.same_chunks += entry.count;
  }
}

std::vector<std::byte> encode_index_header(std::uint64_t frame_count) {
  XDiskIndex disk{};
  std::memcpy(disk.magic, kIndexMagic, sizeof kIndexMagic);
  disk.frame_count = frame_count;
  std::vector<std::byte> out;
  append_struct(out, disk);
  return out;
}

std::vector<std::byte> encode_index_entry(const DeltaFrame& frame) {
  XDiskIndexEntry disk{};
  disk.offset_bytes = frame.offset_bytes;
  disk.stored_bytes = frame.stored_bytes;
  disk.first_chunk = frame.entries.front().first.value;
  std::vector<std::byte> out;
  append_struct(out, disk);
  return out;
}

bool is_index_header(std::span<const std::byte, kIndexHeaderBytes> bytes) {
  return std::memcmp(bytes.data(), kIndexMagic, sizeof kIndexMagic) == 0;
}

Result<std::uint64_t> decode_index_header(std::span<const std::byte, kIndexHeaderBytes> bytes) {
  const auto disk = struct_in<XDiskIndex>(bytes);
  if (!is_index_header(bytes) || disk.reserved.get() != 0) return damaged("the index is wrong");
  return disk.frame_count.get();
}

std::vector<std::byte> encode_trailer(const DeltaTrailer& trailer) {
  XDiskTrailer disk{};
  std::memcpy(disk.magic, kTrailerMagic, sizeof kTrailerMagic);
  disk.frames = trailer.totals.frames;
  disk.chunks = trailer.totals.chunks;
  disk.data_chunks = trailer.totals.data_chunks;
  disk.zero_chunks = trailer.totals.zero_chunks;
  disk.same_chunks = trailer.totals.same_chunks;
  disk.payload_bytes = trailer.totals.payload_bytes;
  disk.index_offset_bytes = trailer.index_offset_bytes;
  disk.stream_bytes = trailer.stream_bytes;
  disk.checksum = checksum_before(disk);
  std::vector<std::byte> out;
  append_struct(out, disk);
  out.resize(kTrailerBytes - kStreamHashBytes);
  return out;
}

Result<DeltaTrailer> decode_trailer(std::span<const std::byte, kTrailerBytes> bytes) {
  const auto disk = struct_in<XDiskTrailer>(bytes);
  if (std::memcmp(disk.magic, kTrailerMagic, sizeof kTrailerMagic) != 0)
    return damaged("the trailer is not where it should be");
  if (disk.checksum.get() != checksum_before(disk))
    return damaged("the trailer's checksum is wrong");
  DeltaTrailer trailer;
  trailer.totals = {.frames = disk.frames.get(),
                    .chunks = disk.chunks.get(),
                    .data_chunks = disk.data_chunks.get(),
                    .zero_chunks = disk.zero_chunks.get(),
                    .same_chunks = disk.same_chunks.get(),
                    .payload_bytes = disk.payload_bytes.get()};
  trailer.index_offset_bytes = disk.index_offset_bytes.get();
  trailer.stream_bytes = disk.stream_bytes.get();
  std::memcpy(trailer.stream_hash.bytes.data(), disk.stream_hash, kStreamHashBytes);
  return trailer;
}

}  // namespace ddsnap
