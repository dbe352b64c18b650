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
constexpr const char* kNoStoreHere =
    "no snapstore here; 'ddsnap initialize' makes one ('ddsnap check' looks for one whose "
    "beginning was overwritten)";

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
  le64 manifest_owner;  // of the first; the second's is one more
  le64 manifest_bytes;
  le32 manifest_extent_counts[2];
  le32 closed;
  le32 reserved;
  ExtentDisk manifest_extents[2 * kMaxManifestExtents];  // of the first, then of the second
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
  disk.manifest_owner = host.manifests[0].owner;
  disk.manifest_bytes = host.manifests[0].size_bytes;
  std::size_t at = 0;
  for (std::size_t copy = 0; copy < host.manifests.size(); ++copy) {
    const auto& extents = host.manifests[copy].extents;
    DD_CHECK(extents.size() <= kMaxManifestExtents);
    disk.manifest_extent_counts[copy] = static_cast<std::uint32_t>(extents.size());
    for (const auto& extent : extents) disk.manifest_extents[at++] = {extent.first, extent.count};
  }
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
  if (disk.magic != kMagic) return fail(ErrorCode::kNotInitialized, kNoStoreHere);
  if (disk.version.get() != kStoreVersion)
    return fail(ErrorCode::kVersion, fmt::format("a snapstore of version {}; this program knows {}",
                                                 disk.version.get(), kStoreVersion));
  Superblock host;
  host.store.bytes = disk.store;
  le64 checksum;
  std::memcpy(&checksum, block.data() + kChecksumOffset, sizeof checksum);
  if (checksum.get() != superblock_checksum(block, host.store) ||
      disk.manifest_extent_counts[0].get() > kMaxManifestExtents ||
      disk.manifest_extent_counts[1].get() > kMaxManifestExtents)
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
  host.closed = static_cast<ClosedMark>(disk.closed.get());
  host.closed_why = DD_TRY(unpack_text(disk.closed_why));
  std::size_t at = 0;
  for (std::size_t copy = 0; copy < host.manifests.size(); ++copy) {
    BlobRef& manifest = host.manifests[copy];
    manifest.owner = disk.manifest_owner.get() + copy;
    manifest.size_bytes = disk.manifest_bytes.get();
    for (std::uint32_t i = 0; i < disk.manifest_extent_counts[copy].get(); ++i, ++at)
      manifest.extents.push_back(
          {disk.manifest_extents[at].first.get(), disk.manifest_extents[at].count.get()});
  }
  return host;
}

Result<Superblock> read_copy(BlockDevice& device, int copy, StoreRole role,
                             const Layout& layout = {}) {
  Superblock host = DD_TRY(read_superblock_copy(device, copy, layout));
  if (host.role != role)
    return fail(ErrorCode::kUsage,
                role == StoreRole::kMetadata
                    ? "this snapstore keeps its metadata on another device: name it"
                    : "this is no snapstore with its metadata elsewhere");
  return host;
}

}  // namespace

int superblock_copies(StoreRole role) {
  return role == StoreRole::kMetadata ? kSuperblockCopies : 2;
}

Result<Superblock> read_superblock_at(BlockDevice& device, std::uint64_t offset_bytes) {
  AlignedBuffer block(kSuperblockBytes);
  if (device.size_bytes() < kSuperblockBytes ||
      offset_bytes > device.size_bytes() - kSuperblockBytes)
    return fail(ErrorCode::kNotInitialized, kNoStoreHere);
  DD_TRY(device.read_at(offset_bytes, block.span()));
  return decode(block.span());
}

Result<Superblock> read_superblock_copy(BlockDevice& device, int copy, const Layout& layout) {
  const std::uint64_t offset_bytes = layout.superblock_offset_bytes(copy);
  Superblock host = DD_TRY(read_superblock_at(device, offset_bytes));
  if (copy >= 2 && host.layout.superblock_offset_bytes(copy) != offset_bytes)
    return fail(ErrorCode::kDamaged, "the superblock belongs to another place");
  return host;
}

Result<SuperblockRead> read_superblock(BlockDevice& device, StoreRole role) {
  std::vector<Result<Superblock>> copies = {read_copy(device, 0, role), read_copy(device, 1, role)};
  std::optional<std::size_t> best;
  const auto consider = [&](std::size_t i) {
    if (copies[i] && (!best || copies[i]->sequence > copies[*best]->sequence)) best = i;
  };
  consider(0);
  consider(1);
  if (!best) {
    // One that is damaged says more than one that is missing.
    const bool is_missing = copies[0].error().code == ErrorCode::kNotInitialized;
    return with_context(device.name(), copies[is_missing ? 1 : 0].error());
  }
  // Copied: the vector grows. A layout that cannot be is for the caller to refuse.
  const Layout layout = copies[*best]->layout;
  if (role == StoreRole::kMetadata && check_metadata_layout(layout, device)) {
    copies.push_back(read_copy(device, 2, role, layout));
    consider(2);
  }
  SuperblockRead result{.superblock = *copies[*best], .findings = {}, .stale_copies = {}};
  for (std::size_t i = 0; i < copies.size(); ++i) {
    if (!copies[i])
      result.findings.push_back(
          fmt::format("{}: superblock copy {} cannot be used ({}); copy {} "
                      "can",
                      device.name(), i, copies[i].error().message(), *best));
    if (!copies[i] || copies[i]->sequence != result.superblock.sequence)
      result.stale_copies.push_back(static_cast<int>(i));
  }
  return result;
}

Result<SuperblockRead> check_data_device(BlockDevice& snapstore, Superblock& metadata) {
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
  return read;
}

Status write_superblock_copy(BlockDevice& device, const Superblock& superblock, int copy) {
  AlignedBuffer block(kSuperblockBytes);
  encode(superblock, block.span());
  DD_TRY(device.write_at(superblock.layout.superblock_offset_bytes(copy), block.span()));
  return device.flush();
}

Status write_superblock(BlockDevice& device, const Superblock& superblock) {
  DD_TRY(write_superblock_copy(device, superblock, 0));
  AlignedBuffer block(kSuperblockBytes);
  encode(superblock, block.span());
  std::vector<IoRequest> others;
  for (int copy = 1; copy < superblock_copies(superblock.role); ++copy)
    others.push_back(
        IoRequest::write(superblock.layout.superblock_offset_bytes(copy), block.span()));
  DD_TRY(device.run(others));
  return device.flush();
}

Status write_any_superblock_copy(BlockDevice& device, const Superblock& superblock) {
  // The other copies only once this one is durable: with all in doubt the next power cut may leave
  // none (S3).
  DD_TRY(write_superblock_copy(device, superblock, 0));
  for (int copy = 1; copy < superblock_copies(superblock.role); ++copy)
    static_cast<void>(write_superblock_copy(device, superblock, copy));
  return {};
}

Superblock data_superblock(const Superblock& metadata) {
  Superblock data = metadata;
  data.role = StoreRole::kData;
  data.manifests = {};
  return data;
}

bool is_superblock_magic(std::span<const std::byte> block) {
  return block.size() >= kMagic.size() &&
         std::memcmp(block.data(), kMagic.data(), kMagic.size()) == 0;
}

Result<bool> has_superblock_magic(BlockDevice& device) {
  for (const std::uint64_t offset_bytes : kSuperblockOffsets) {
    if (offset_bytes + kSuperblockBytes > device.size_bytes()) continue;
    AlignedBuffer block(kSuperblockBytes);
    DD_TRY(device.read_at(offset_bytes, block.span()));
    if (is_superblock_magic(block.span())) return true;
  }
  return false;
}

}  // namespace ddsnap
