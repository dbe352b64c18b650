#include "server/store/layout.h"

#include <fmt/format.h>

#include <algorithm>

namespace ddsnap {

namespace {

constexpr std::uint64_t kMinJournalBytes = 128 << 10;
constexpr std::uint64_t kMaxDefaultJournalBytes = 32 << 20;
constexpr std::uint64_t kMaxJournalBytes = 1 << 30;
constexpr std::uint64_t kMinTableBlocks = 64;
constexpr std::uint64_t kMaxDefaultManifestBytes = 4 << 20;
constexpr std::uint64_t kMaxSlots = 0xffff0000;  // the topmost numbers have meanings of their own
constexpr std::uint64_t kMinSlots = 4;

// Entries of all slots four times over (old and new side by side in a merge, chunks that are zero,
// private copies), a share of the device for change maps, and the manifests of some thousand
// snapshots, which need their room on small devices too.
std::uint64_t default_table_blocks(std::uint64_t space_bytes, unsigned chunk_shift) {
  const std::uint64_t entry_bytes = (space_bytes >> chunk_shift) * 16 * 4;
  const std::uint64_t manifest_bytes = std::min(space_bytes / 64, kMaxDefaultManifestBytes);
  return std::max(kMinTableBlocks,
                  (entry_bytes + space_bytes / 512 + manifest_bytes) / kMetadataPageBytes);
}

Status check_format(const StoreDevices& devices, const StoreFormat& format) {
  if (format.chunk_shift < kMinChunkShift || format.chunk_shift > kMaxChunkShift)
    return fail(ErrorCode::kUsage, "the chunk size must be a power of two from 4K to 1M");
  if (format.journal_bytes != 0 &&
      (format.journal_bytes < kMinJournalBytes || format.journal_bytes > kMaxJournalBytes))
    return fail(ErrorCode::kUsage, "the journal size must be from 128K to 1G");
  const ChunkGeometry origin{format.chunk_shift, devices.origin.size_bytes()};
  if (origin.volume_bytes == 0)
    return fail(ErrorCode::kUsage, devices.origin.name() + ": the origin is empty");
  if (origin.chunk_count() > kMaxChunks)
    return fail(ErrorCode::kUsage,
                fmt::format("{}: more than 2^32 chunks; choose a larger chunk size",
                            devices.origin.name()));
  if (devices.snapstore.geometry().block_bytes > devices.origin.geometry().block_bytes)
    return fail(ErrorCode::kUsage,
                fmt::format("{}: the snapstore's block of {} bytes is larger than the origin's {}, "
                            "so its snapshots could not be mounted",
                            devices.snapstore.name(), devices.snapstore.geometry().block_bytes,
                            devices.origin.geometry().block_bytes));
  return {};
}

}  // namespace

Result<Layout> choose_layout(const StoreDevices& devices, const StoreFormat& format) {
  DD_TRY(check_format(devices, format));
  const BlockDevice& metadata = devices.metadata ? *devices.metadata : devices.snapstore;
  const std::uint64_t chunk_bytes = std::uint64_t{1} << format.chunk_shift;
  const std::uint64_t metadata_bytes = metadata.size_bytes();
  Layout layout;
  layout.chunk_shift = format.chunk_shift;
  layout.journal_unit_bytes = std::clamp(
      std::max(metadata.geometry().physical_bytes, metadata.geometry().block_bytes), 512u, 4096u);
  layout.journal_bytes = format.journal_bytes;
  if (layout.journal_bytes == 0)
    layout.journal_bytes =
        std::clamp(metadata_bytes / 64 / kJournalRings, kMinJournalBytes, kMaxDefaultJournalBytes);
  layout.journal_bytes = round_up(layout.journal_bytes, kMetadataPageBytes);
  layout.tables_offset_bytes = kJournalOffset + layout.journal_bytes;
  const auto too_small = [&](const BlockDevice& device) {
    return fail(ErrorCode::kUsage, fmt::format("{}: too small for a snapstore ({} bytes)",
                                               device.name(), device.size_bytes()));
  };
  layout.table_blocks = kMinTableBlocks;
  if (layout.end_of_metadata_bytes() > metadata_bytes) return too_small(metadata);
  const std::uint64_t rest_bytes =
      metadata_bytes - layout.end_of_metadata_bytes() + kMinTableBlocks * kMetadataPageBytes;
  if (devices.metadata) {
    layout.table_blocks = rest_bytes / kMetadataPageBytes;
    layout.slots_offset_bytes = round_up(kJournalOffset, chunk_bytes);
  } else {
    layout.table_blocks = default_table_blocks(rest_bytes, format.chunk_shift);
    layout.slots_offset_bytes = round_up(layout.end_of_metadata_bytes(), chunk_bytes);
  }
  layout.table_blocks = std::min<std::uint64_t>(layout.table_blocks, kMaxSlots);
  if (layout.slots_offset_bytes + kMinSlots * chunk_bytes > devices.snapstore.size_bytes())
    return too_small(devices.snapstore);
  layout.slot_count = slots_that_fit(layout, devices.snapstore.size_bytes());
  return layout;
}

std::uint64_t slots_that_fit(const Layout& layout, std::uint64_t snapstore_bytes) {
  if (snapstore_bytes < layout.slots_offset_bytes) return 0;
  return std::min((snapstore_bytes - layout.slots_offset_bytes) >> layout.chunk_shift, kMaxSlots);
}

namespace {

Status check_size(const BlockDevice& device, std::uint64_t needed_bytes) {
  if (needed_bytes <= device.size_bytes()) return {};
  return fail(ErrorCode::kDamaged,
              fmt::format("{}: the device is smaller than its store: {} bytes, which needs {}",
                          device.name(), device.size_bytes(), needed_bytes));
}

}  // namespace

Status check_metadata_layout(const Layout& layout, const BlockDevice& metadata) {
  const bool is_sane =
      layout.chunk_shift >= kMinChunkShift && layout.chunk_shift <= kMaxChunkShift &&
      layout.journal_unit_bytes >= 512 && layout.journal_unit_bytes <= 4096 &&
      (layout.journal_unit_bytes & (layout.journal_unit_bytes - 1)) == 0 &&
      layout.journal_bytes >= kMinJournalBytes && layout.journal_bytes <= kMaxJournalBytes &&
      layout.journal_bytes % kMetadataPageBytes == 0 &&
      layout.tables_offset_bytes == kJournalOffset + layout.journal_bytes &&
      layout.table_blocks >= kMinTableBlocks && layout.table_blocks <= kMaxSlots &&
      layout.slot_count >= kMinSlots && layout.slot_count <= kMaxSlots &&
      layout.slots_offset_bytes % (std::uint64_t{1} << layout.chunk_shift) == 0 &&
      layout.slots_offset_bytes < (std::uint64_t{1} << 62);
  if (!is_sane) return fail(ErrorCode::kDamaged, "the superblock describes an impossible layout");
  return check_size(metadata, layout.end_of_metadata_bytes());
}

Status check_layout(const Layout& layout, const StoreDevices& devices) {
  DD_TRY(check_metadata_layout(layout, devices.metadata ? *devices.metadata : devices.snapstore));
  if (!devices.metadata && layout.slots_offset_bytes < layout.end_of_metadata_bytes())
    return fail(ErrorCode::kDamaged, "the superblock describes an impossible layout");
  return check_size(devices.snapstore, layout.end_of_slots_bytes());
}

}  // namespace ddsnap
