#include "ddsnap/delta/delta_header.h"

#include <fmt/format.h>

#include <cstddef>
#include <cstring>

#include "ddsnap/base/endian.h"
#include "ddsnap/base/hash.h"
#include "ddsnap/base/limits.h"
#include "ddsnap/delta/bytes.h"
#include "ddsnap/delta/changelist.h"
#include "ddsnap/delta/stored_text.h"

namespace ddsnap {

namespace {

constexpr char kHeaderMagic[8] = {'D', 'D', 'S', 'D', 'E', 'L', 'T', 'A'};
constexpr std::uint16_t kNewestVersion = 3;
constexpr std::uint64_t kHeaderSeed = 0x415444484c454444;  // salts: a part read as another fails

enum : std::uint32_t {
  kFlagFull = 1,
  kFlagFromProven = 2,
  kFlagToProven = 4,
  kFlagsOfVersion1 = 7,
  kFlagTrimmed = 8,  // since version 2
  kFlagsKnown = 15,
};

struct XDiskHeader {
  char magic[8];
  le16 version;
  std::uint8_t chunk_shift;
  std::uint8_t mode;
  le32 flags;
  XDiskUuid delta_uuid;
  XDiskUuid from_uuid;
  XDiskUuid to_uuid;
  le64 from_bytes;
  le64 to_bytes;
  le64 created_ns;
  le64 chunk_count;
  le32 frame_data_bytes;
  le32 reserved0;
  XDiskTag from_tag;
  XDiskTag to_tag;
  le64 reserved1;
  le64 reserved2;
  le64 checksum;  // of all before it
};
static_assert(sizeof(XDiskHeader) == kDeltaHeaderBytes && alignof(XDiskHeader) == 1);
static_assert(offsetof(XDiskHeader, from_bytes) == 64 && offsetof(XDiskHeader, checksum) == 248);

std::unexpected<Error> damaged(std::string text) {
  return fail(ErrorCode::kDamaged, std::move(text));
}

std::uint64_t checksum_before(const XDiskHeader& disk) {
  return checksum_of(bytes_of(disk).first(offsetof(XDiskHeader, checksum)), kHeaderSeed);
}

// The oldest version that can say it.
std::uint16_t oldest_version(const DeltaHeader& header) {
  if (header.frame_data_bytes > kMaxFrameDataBytesOfVersion2) return 3;
  return header.is_long() || header.is_trimmed ? 2 : 1;
}

Status check_fixed_fields(const XDiskHeader& disk) {
  if (std::memcmp(disk.magic, kHeaderMagic, sizeof kHeaderMagic) != 0)
    return damaged("not a delta");
  const std::uint16_t version = disk.version.get();
  if (version < 1 || version > kNewestVersion)
    return fail(
        ErrorCode::kVersion,
        fmt::format("a delta of version {}; this program knows 1 to {}", version, kNewestVersion));
  if (disk.checksum.get() != checksum_before(disk))
    return damaged("the header's checksum is wrong");
  const std::uint32_t flags_known = version == 1 ? kFlagsOfVersion1 : kFlagsKnown;
  if ((disk.flags.get() & ~flags_known) != 0 || disk.reserved0.get() != 0 ||
      disk.reserved1.get() != 0 || disk.reserved2.get() != 0)
    return damaged("reserved fields of the header are set");
  if (disk.mode < 1 || disk.mode > static_cast<std::uint8_t>(DeltaMode::kBest))
    return damaged(fmt::format("mode {} is not known", disk.mode));
  return {};
}

Status check_meaning(const DeltaHeader& header, std::uint32_t flags, std::uint16_t version) {
  DD_TRY(check_volume(header.chunk_shift, header.from_bytes, header.to_bytes));
  if (header.delta_uuid.is_nil()) return damaged("it has no uuid");
  if (((flags & kFlagFull) != 0) != header.is_full())
    return damaged("it contradicts itself about being full");
  const std::uint32_t chunk_bytes = header.to_geometry().chunk_bytes();
  const std::uint32_t most_bytes = version == 1   ? kMaxFrameDataBytes
                                   : version == 2 ? kMaxFrameDataBytesOfVersion2
                                                  : kMaxLongFrameDataBytes;
  if (header.frame_data_bytes < chunk_bytes || header.frame_data_bytes > most_bytes)
    return damaged(fmt::format("frames of {} bytes are not supported", header.frame_data_bytes));
  if (header.chunk_count > header.to_geometry().chunk_count())
    return damaged("it announces more chunks than the volume has");
  return {};
}

}  // namespace

Status check_frame_memory(const DeltaHeader& header, std::size_t frames, std::size_t memory_bytes) {
  const std::size_t wanted_bytes = frames * header.frame_data_bytes;
  if (memory_bytes >= wanted_bytes || !header.is_long()) return {};
  return fail(ErrorCode::kUsage,
              fmt::format("the delta's frames have up to {} MiB; they need --memory {}M",
                          header.frame_data_bytes >> 20, (wanted_bytes + (1u << 20) - 1) >> 20));
}

const char* name_of(DeltaMode mode) {
  constexpr const char* kNames[] = {"raw", "difference", "best"};
  return kNames[static_cast<std::size_t>(mode) - 1];
}

std::vector<std::byte> encode_delta_header(const DeltaHeader& header) {
  XDiskHeader disk{};
  std::memcpy(disk.magic, kHeaderMagic, sizeof kHeaderMagic);
  disk.version = oldest_version(header);
  disk.chunk_shift = static_cast<std::uint8_t>(header.chunk_shift);
  disk.mode = static_cast<std::uint8_t>(header.mode);
  disk.flags = (header.is_full() ? kFlagFull : 0u) |
               (header.from_is_proven ? kFlagFromProven : 0u) |
               (header.to_is_proven ? kFlagToProven : 0u) | (header.is_trimmed ? kFlagTrimmed : 0u);
  disk.delta_uuid = pack_uuid(header.delta_uuid);
  disk.from_uuid = pack_uuid(header.from_uuid);
  disk.to_uuid = pack_uuid(header.to_uuid);
  disk.from_bytes = header.from_bytes;
  disk.to_bytes = header.to_bytes;
  disk.created_ns = header.created_ns;
  disk.chunk_count = header.chunk_count;
  disk.frame_data_bytes = header.frame_data_bytes;
  disk.from_tag = pack_tag(header.from_tag);
  disk.to_tag = pack_tag(header.to_tag);
  disk.checksum = checksum_before(disk);
  std::vector<std::byte> out;
  append_struct(out, disk);
  return out;
}

Result<DeltaHeader> decode_delta_header(std::span<const std::byte, kDeltaHeaderBytes> bytes) {
  const auto disk = struct_in<XDiskHeader>(bytes);
  DD_TRY(check_fixed_fields(disk));
  DeltaHeader header;
  header.delta_uuid = unpack_uuid(disk.delta_uuid);
  header.from_uuid = unpack_uuid(disk.from_uuid);
  header.to_uuid = unpack_uuid(disk.to_uuid);
  header.from_tag = DD_TRY(unpack_tag(disk.from_tag));
  header.to_tag = DD_TRY(unpack_tag(disk.to_tag));
  header.from_bytes = disk.from_bytes.get();
  header.to_bytes = disk.to_bytes.get();
  header.created_ns = disk.created_ns.get();
  header.chunk_count = disk.chunk_count.get();
  header.chunk_shift = disk.chunk_shift;
  header.frame_data_bytes = disk.frame_data_bytes.get();
  header.mode = static_cast<DeltaMode>(disk.mode);
  header.from_is_proven = (disk.flags.get() & kFlagFromProven) != 0;
  header.to_is_proven = (disk.flags.get() & kFlagToProven) != 0;
  header.is_trimmed = (disk.flags.get() & kFlagTrimmed) != 0;
  DD_TRY(check_meaning(header, disk.flags.get(), disk.version.get()));
  return header;
}

}  // namespace ddsnap
