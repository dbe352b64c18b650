#include "server/store/superblock.h"

#include <fmt/format.h>

#include <cstring>

#include "ddsnap/base/aligned_buffer.h"
#include "ddsnap/base/hash.h"
#include "server/store/pack.h"

namespace ddsnap {

namespace {

constexpr std::array<char, 8> kMagic = {'D', 'D', 'S', 'N', 'A', 'P', 'S', 'B'};
constexpr std::size_t kSuperblockBytes = 4096;
constexpr std::uint64_t kChecksumKind = 0x5342;

struct ExtentDisk {
  le32 first;
  le32 count;
};

struct SuperblockDisk {
  std::array<char, 8> magic;
  le32 version;
  le32 role;
  std::array<std::byte, 16> store;
  le64 sequence;
  le64 generation;
  le64 created_ns;
  le32 chunk_shift;
  le32 journal_unit_bytes;
  le64 journal_bytes;
  le64 tables_offset_bytes;
  le64 table_blocks;
  le64 slots_offset_bytes;
  le64 slot_count;
  le64 journal_next_offset;
  le64 journal_last_number;
  le64 journal_last_checksum;
  le64 manifest_owner;
  le64 manifest_bytes;
  le32 manifest_extent_count;
  le32 closed;
  ExtentDisk manifest_extents[kMaxBlobExtents];
  std::array<char, kMaxStepDownTextBytes + 1> closed_why;
};
constexpr std::size_t kChecksumOffset = kSuperblockBytes - sizeof(le64);
static_assert(sizeof(SuperblockDisk) <= kChecksumOffset);

std::uint64_t superblock_checksum(std::span<const std::byte> block, const Uuid& store) {
  return checksum_of(block.first(kChecksumOffset), checksum_seed(store, kChecksumKind));
}

void encode(const Superblock& host, std::span<std::byte> block) {
  SuperblockDisk disk{};
  disk.magic = kMagic;
  disk.version = kStoreVersion;
  disk.role = static_cast<std::uint32_t>(host.role);
  disk.store = host.store.bytes;
  disk.sequence = host.sequence;
  disk.generation = host.generation;
  disk.created_ns = host.created_ns;
  disk.chunk_shift = host.layout.chunk_shift;
  disk.journal_unit_bytes = host.layout.journal_unit_bytes;
  disk.journal_bytes = host.layout.journal_bytes;
  disk.tables_offset_bytes = host.layout.tables_offset_bytes;
  disk.table_blocks = host.layout.table_blocks;
  disk.slots_offset_bytes = host.layout.slots_offset_bytes;
  disk.slot_count = host.layout.slot_count;
  disk.journal_next_offset = host.journal.next_offset_bytes;
  disk.journal_last_number = host.journal.last_number;
  disk.journal_last_checksum = host.journal.last_checksum;
  disk.manifest_owner = host.manifest.owner;
  disk.manifest_bytes = host.manifest.size_bytes;
  disk.manifest_extent_count = static_cast<std::uint32_t>(host.manifest.extents.size());
  DD_CHECK(host.manifest.extents.size() <= kMaxBlobExtents);
  for (std::size_t i = 0; i < host.manifest.extents.size(); ++i)
    disk.manifest_extents[i] = {host.manifest.extents[i].first, host.manifest.extents[i].count};
  disk.closed = static_cast<std::uint32_t>(host.closed);
  pack_text(host.closed_why, disk.closed_why);
  std::memset(block.data(), 0, block.size());
  std::memcpy(block.data(), &disk, sizeof disk);
  const le64 checksum = superblock_checksum(block, host.store);
  std::memcpy(block.data() + kChecksumOffset, &checksum, sizeof checksum);
}

Result<Superblock> decode(std::span<const std::byte> block) {
  SuperblockDisk disk;
  std::memcpy(&disk, block.data(), sizeof disk);
  if (disk.magic != kMagic)
    return fail(ErrorCode::kNotInitialized, "no snapstore here; 'ddsnap initialize' makes one");
  if (disk.version.get() != kStoreVersion)
    return fail(ErrorCode::kVersion, fmt::format("a snapstore of version {}; this program knows {}",
                                                 disk.version.get(), kStoreVersion));
  Superblock host;
  host.store.bytes = disk.store;
  le64 checksum;
  std::memcpy(&checksum, block.data() + kChecksumOffset, sizeof checksum);
  const std::uint32_t extent_count = disk.manifest_extent_count.get();
  if (checksum.get() != superblock_checksum(block, host.store) || extent_count > kMaxBlobExtents)
    return fail(ErrorCode::kDamaged, "the superblock is damaged");
  if (disk.closed.get() > static_cast<std::uint32_t>(ClosedMark::kOriginWentOn))
    return fail(ErrorCode::kDamaged, "the superblock carries an unknown mark");
  if (disk.role.get() != static_cast<std::uint32_t>(StoreRole::kMetadata) &&
      disk.role.get() != static_cast<std::uint32_t>(StoreRole::kData))
    return fail(ErrorCode::kDamaged, "the superblock has an unknown role");
  host.role = static_cast<StoreRole>(disk.role.get());
  host.sequence = disk.sequence.get();
  host.generation = disk.generation.get();
  host.created_ns = disk.created_ns.get();
  host.layout = {.chunk_shift = disk.chunk_shift.get(),
                 .journal_unit_bytes = disk.journal_unit_bytes.get(),
                 .journal_bytes = disk.journal_bytes.get(),
                 .tables_offset_bytes = disk.tables_offset_bytes.get(),
                 .table_blocks = disk.table_blocks.get(),
                 .slots_offset_bytes = disk.slots_offset_bytes.get(),
                 .slot_count = disk.slot_count.get()};
  host.journal = {disk.journal_next_offset.get(), disk.journal_last_number.get(),
                  disk.journal_last_checksum.get()};
  host.manifest.owner = disk.manifest_owner.get();
  host.manifest.size_bytes = disk.manifest_bytes.get();
  host.closed = static_cast<ClosedMark>(disk.closed.get());
  host.closed_why = DD_TRY(unpack_text(disk.closed_why));
  for (std::uint32_t i = 0; i < extent_count; ++i)
    host.manifest.extents.push_back(
        {disk.manifest_extents[i].first.get(), disk.manifest_extents[i].count.get()});
  return host;
}

Result<Superblock> read_copy(BlockDevice& device, int copy, StoreRole role) {
  Superblock host = DD_TRY(read_superblock_copy(device, copy));
  if (host.role != role)
    return fail(ErrorCode::kUsage,
                role == StoreRole::kMetadata
                    ? "this snapstore keeps its metadata on another device: name it"
                    : "this is no snapstore with its metadata elsewhere");
  return host;
}

}  // namespace

Result<Superblock> read_superblock_copy(BlockDevice& device, int copy) {
  AlignedBuffer block(kSuperblockBytes);
  if (kSuperblockOffsets[copy] + kSuperblockBytes > device.size_bytes())
    return fail(ErrorCode::kNotInitialized, "no snapstore here; 'ddsnap initialize' makes one");
  DD_TRY(device.read_at(kSuperblockOffsets[copy], block.span()));
  return decode(block.span());
}

Result<SuperblockRead> read_superblock(BlockDevice& device, StoreRole role) {
  Result<Superblock> copies[2] = {read_copy(device, 0, role), read_copy(device, 1, role)};
  SuperblockRead result;
  for (int i = 0; i < 2; ++i) {
    const int other = 1 - i;
    if (!copies[i] || (copies[other] && copies[other]->sequence > copies[i]->sequence)) continue;
    result.superblock = *copies[i];
    if (!copies[other])
      result.finding = fmt::format("{}: superblock copy {} cannot be used ({}); copy {} can",
                                   device.name(), other, copies[other].error().message(), i);
    if (!copies[other] || copies[other]->sequence != copies[i]->sequence) result.stale_copy = other;
    return result;
  }
  // Neither is good. One that is damaged says more than one that is missing.
  const Error& first = copies[0].error();
  const Error& second = copies[1].error();
  return with_context(device.name(), first.code == ErrorCode::kNotInitialized ? second : first);
}

Result<std::optional<std::string>> check_data_device(BlockDevice& snapstore, Superblock& metadata) {
  SuperblockRead read = DD_TRY(read_superblock(snapstore, StoreRole::kData));
  const Superblock& data = read.superblock;
  if (data.store != metadata.store)
    return fail(ErrorCode::kUsage,
                snapstore.name() + ": snapstore and metadata device belong to different stores");
  if (data.generation != metadata.generation && data.generation != metadata.generation + 1)
    return fail(ErrorCode::kDamaged,
                fmt::format("{}: snapstore and metadata device are of different times (openings {} "
                            "and {})",
                            snapstore.name(), data.generation, metadata.generation));
  if (metadata.closed < data.closed) {  // the metadata device could not be marked
    metadata.closed = data.closed;
    metadata.closed_why = data.closed_why;
  }
  return std::move(read.finding);
}

Status write_superblock_copy(BlockDevice& device, const Superblock& superblock, int copy) {
  AlignedBuffer block(kSuperblockBytes);
  encode(superblock, block.span());
  DD_TRY(device.write_at(kSuperblockOffsets[copy], block.span()));
  return device.flush();
}

Status write_superblock(BlockDevice& device, const Superblock& superblock) {
  for (const int copy : {0, 1}) DD_TRY(write_superblock_copy(device, superblock, copy));
  return {};
}

Status write_any_superblock_copy(BlockDevice& device, const Superblock& superblock) {
  // The other copy only once this one is durable: with both in doubt the next power cut may leave
  // none (S3).
  DD_TRY(write_superblock_copy(device, superblock, 0));
  static_cast<void>(write_superblock_copy(device, superblock, 1));
  return {};
}

Superblock data_superblock(const Superblock& metadata) {
  Superblock data = metadata;
  data.role = StoreRole::kData;
  data.manifest = {};
  return data;
}

Result<bool> has_superblock_magic(BlockDevice& device) {
  for (const std::uint64_t offset_bytes : kSuperblockOffsets) {
    if (offset_bytes + kSuperblockBytes > device.size_bytes()) continue;
    AlignedBuffer block(kSuperblockBytes);
    DD_TRY(device.read_at(offset_bytes, block.span()));
    if (std::memcmp(block.data(), kMagic.data(), kMagic.size()) == 0) return true;
  }
  return false;
}

}  // namespace ddsnap
