// Making an empty store.
#include "server/store/manifest.h"
#include "server/store/snap_store.h"
#include "server/store/superblock.h"

namespace ddsnap {

namespace {

// The old life's superblocks go first, durably: a cut later on leaves no store, never the old one
// with part of it overwritten (S3). Its third copy is where its first ones tell.
Status wipe_superblocks(BlockDevice& device) {
  const AlignedBuffer zeros(kMetadataPageBytes);
  std::vector<std::uint64_t> offsets_bytes;
  for (const int copy : {0, 1})
    if (const auto old = read_superblock_copy(device, copy);
        old && old->role == StoreRole::kMetadata && check_metadata_layout(old->layout, device))
      offsets_bytes.push_back(old->layout.superblock_offset_bytes(2));
  offsets_bytes.insert(offsets_bytes.end(), std::begin(kSuperblockOffsets),
                       std::end(kSuperblockOffsets));
  for (const std::uint64_t offset_bytes : offsets_bytes)
    DD_TRY(device.write_at(offset_bytes, zeros.span()));
  return device.flush();
}

}  // namespace

Status initialize_store(const StoreDevices& devices, const StoreFormat& format,
                        RandomSource& random) {
  Superblock superblock;
  superblock.layout = DD_TRY(choose_layout(devices, format));
  superblock.store = format.uuid.is_nil() ? Uuid::make(random) : format.uuid;
  superblock.sequence = 1;
  superblock.generation = 1;
  superblock.created_ns = format.created_ns;
  superblock.journal = {
      .next_offset_bytes = 0, .last_number = 0, .last_checksum = random.next_u64()};

  State empty;
  empty.origin_bytes = devices.origin.size_bytes();
  SpaceMap blocks(superblock.layout.table_blocks);
  const ObjectId object{MetadataType::kManifest, random.next_u64() << 32};
  const auto manifests =
      DD_TRY(plan_two_blobs(encode_manifest(empty, {}), object, superblock.store, blocks));
  std::vector<IoRequest> requests;
  for (std::size_t i = 0; i < manifests.size(); ++i) {
    superblock.manifests[i] = manifests[i].ref;
    manifests[i].blocks.add_requests(superblock.layout, requests);
  }

  BlockDevice& metadata = devices.metadata ? *devices.metadata : devices.snapstore;
  DD_TRY(wipe_superblocks(metadata));
  DD_TRY(metadata.run(requests));
  DD_TRY(metadata.flush());
  if (devices.metadata) DD_TRY(write_superblock(devices.snapstore, data_superblock(superblock)));
  return write_superblock(metadata, superblock);
}

Result<bool> is_store(const StoreDevices& devices, const StoreFormat& format) {
  if (DD_TRY(has_superblock_magic(devices.snapstore))) return true;
  if (devices.metadata && DD_TRY(has_superblock_magic(*devices.metadata))) return true;
  // One of this very format whose beginning was overwritten.
  const auto layout = choose_layout(devices, format);
  if (!layout) return false;
  BlockDevice& metadata = devices.metadata ? *devices.metadata : devices.snapstore;
  return read_superblock_copy(metadata, 2, *layout).has_value();
}

}  // namespace ddsnap
