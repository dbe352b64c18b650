#include "ddsnap/delta/digest_file.h"

#include <fmt/format.h>

#include <cstddef>
#include <cstring>

#include "ddsnap/base/endian.h"
#include "ddsnap/base/limits.h"
#include "ddsnap/delta/bytes.h"
#include "ddsnap/delta/changelist.h"
#include "ddsnap/delta/stored_text.h"

namespace ddsnap {

namespace {

constexpr char kHeaderMagic[8] = {'D', 'D', 'S', 'D', 'I', 'G', 'S', 'T'};
constexpr char kBlockMagic[4] = {'D', 'D', 'D', 'B'};
constexpr std::uint16_t kVersionNumber = 1;
constexpr std::uint64_t kHeaderSeed = 0x5453474948444444;  // salts: a part read as another fails
constexpr std::uint64_t kBlockSeed = 0x4b424749444444;
constexpr std::uint64_t kHashesSeed = 0x534847494444;

struct XDiskDigestHeader {
  char magic[8];
  le16 version;
  std::uint8_t chunk_shift;
  std::uint8_t reserved0[5];
  XDiskUuid uuid;
  le64 volume_bytes;
  le64 created_ns;
  le64 reserved1;
  le64 checksum;  // of all before it
};
static_assert(sizeof(XDiskDigestHeader) == kDigestHeaderBytes && alignof(XDiskDigestHeader) == 1);
static_assert(offsetof(XDiskDigestHeader, volume_bytes) == 32);

struct XDiskDigestBlock {
  char magic[4];
  std::uint8_t kind;
  std::uint8_t reserved[3];
  le32 first_chunk;
  le32 chunk_count;
  le64 hashes_checksum;
  le64 checksum;  // of all before it
};
static_assert(sizeof(XDiskDigestBlock) == kDigestBlockBytes && alignof(XDiskDigestBlock) == 1);

std::unexpected<Error> damaged(std::string text) {
  return fail(ErrorCode::kDamaged, "not a whole digest: " + std::move(text));
}

template <class XDisk>
std::uint64_t checksum_before(const XDisk& disk, std::uint64_t seed) {
  return checksum_of(bytes_of(disk).first(offsetof(XDisk, checksum)), seed);
}

bool are_zero(std::span<const std::uint8_t> bytes) {
  return is_all_zero(std::as_bytes(bytes));
}

}  // namespace

std::vector<std::byte> encode_digest_header(const DigestHeader& header) {
  XDiskDigestHeader disk{};
  std::memcpy(disk.magic, kHeaderMagic, sizeof kHeaderMagic);
  disk.version = kVersionNumber;
  disk.chunk_shift = static_cast<std::uint8_t>(header.chunk_shift);
  disk.uuid = pack_uuid(header.uuid);
  disk.volume_bytes = header.volume_bytes;
  disk.created_ns = header.created_ns;
  disk.checksum = checksum_before(disk, kHeaderSeed);
  std::vector<std::byte> out;
  append_struct(out, disk);
  return out;
}

Result<DigestHeader> decode_digest_header(std::span<const std::byte, kDigestHeaderBytes> bytes) {
  const auto disk = struct_in<XDiskDigestHeader>(bytes);
  if (std::memcmp(disk.magic, kHeaderMagic, sizeof kHeaderMagic) != 0)
    return fail(ErrorCode::kDamaged, "not a digest");
  if (disk.version.get() != kVersionNumber)
    return fail(ErrorCode::kVersion, fmt::format("a digest of version {}; this program knows {}",
                                                 disk.version.get(), kVersionNumber));
  if (disk.checksum.get() != checksum_before(disk, kHeaderSeed))
    return damaged("the header's checksum is wrong");
  if (!are_zero(disk.reserved0) || disk.reserved1.get() != 0)
    return damaged("reserved fields are set");
  DigestHeader header;
  header.uuid = unpack_uuid(disk.uuid);
  header.volume_bytes = disk.volume_bytes.get();
  header.created_ns = disk.created_ns.get();
  header.chunk_shift = disk.chunk_shift;
  DD_TRY(check_volume(header.chunk_shift, header.volume_bytes, header.volume_bytes));
  return header;
}

std::vector<std::byte> encode_digest_block(DigestBlockKind kind, ChunkRange chunks,
                                           std::span<const std::byte> hashes) {
  XDiskDigestBlock disk{};
  std::memcpy(disk.magic, kBlockMagic, sizeof kBlockMagic);
  disk.kind = static_cast<std::uint8_t>(kind);
  disk.first_chunk = chunks.first.value;
  disk.chunk_count = chunks.count;
  disk.hashes_checksum = checksum_of_digest_hashes(hashes);
  disk.checksum = checksum_before(disk, kBlockSeed);
  std::vector<std::byte> out;
  append_struct(out, disk);
  return out;
}

Result<DigestBlock> decode_digest_block(std::span<const std::byte, kDigestBlockBytes> bytes) {
  const auto disk = struct_in<XDiskDigestBlock>(bytes);
  if (std::memcmp(disk.magic, kBlockMagic, sizeof kBlockMagic) != 0)
    return damaged("no block begins where one should");
  if (disk.checksum.get() != checksum_before(disk, kBlockSeed))
    return damaged("the checksum of a block is wrong");
  if (disk.kind < 1 || disk.kind > static_cast<std::uint8_t>(DigestBlockKind::kEnd) ||
      !are_zero(disk.reserved))
    return damaged("a block of a kind that is not known");
  const DigestBlock block{.kind = static_cast<DigestBlockKind>(disk.kind),
                          .chunks = {{disk.first_chunk.get()}, disk.chunk_count.get()},
                          .hashes_checksum = disk.hashes_checksum.get()};
  const std::uint32_t count = block.chunks.count;
  if ((count == 0) != (block.kind == DigestBlockKind::kEnd) ||
      (block.kind == DigestBlockKind::kHashes && count > kMaxDigestBlockHashes))
    return damaged("a block of a wrong length");
  return block;
}

std::uint64_t checksum_of_digest_hashes(std::span<const std::byte> hashes) {
  return checksum_of(hashes, kHashesSeed);
}

}  // namespace ddsnap
