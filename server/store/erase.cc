#include "server/store/erase.h"

#include "ddsnap/base/aligned_buffer.h"
#include "server/store/superblock_search.h"

namespace ddsnap {

namespace {

Status write_zeros(BlockDevice& device, std::uint64_t offset_bytes) {
  const AlignedBuffer zeros(kMetadataPageBytes);
  DD_TRY(device.write_at(offset_bytes, zeros.span()));
  return device.flush();
}

// The copies at the start tell where the third one is: they go last, so that an interrupted end
// finds it again.
Status erase_superblocks(BlockDevice& device, bool is_all_metadata) {
  std::optional<SuperblockRead> found;
  if (auto read = read_superblock(device, StoreRole::kMetadata))
    found = *std::move(read);
  else
    found = DD_TRY(find_third_superblock(device, is_all_metadata));
  if (found) DD_TRY(write_zeros(device, found->superblock.layout.superblock_offset_bytes(2)));
  for (const std::uint64_t offset_bytes : kSuperblockOffsets)
    DD_TRY(write_zeros(device, offset_bytes));
  return {};
}

}  // namespace

Status erase_store(const StoreDevices& devices) {
  if (devices.metadata == nullptr) return erase_superblocks(devices.snapstore, false);
  DD_TRY(erase_superblocks(*devices.metadata, true));
  for (const std::uint64_t offset_bytes : kSuperblockOffsets)
    DD_TRY(write_zeros(devices.snapstore, offset_bytes));
  return {};
}

}  // namespace ddsnap
