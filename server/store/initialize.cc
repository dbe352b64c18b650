// Making an empty store.
#include "server/store/manifest.h"
#include "server/store/snap_store.h"
#include "server/store/superblock.h"

namespace ddsnap {

namespace {

// The old life's superblocks go first, durably: a cut later on leaves no store, never the old one
// with part of it overwritten (S3).
Status wipe_superblocks(BlockDevice& device) {
  const AlignedBuffer zeros(kMetadataPageBytes);
  for (const std::uint64_t offset_bytes : kSuperblockOffsets)
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
  const PlannedBlob manifest =
      DD_TRY(plan_blob(encode_manifest(empty, {}), object, superblock.store, blocks));
  superblock.manifest = manifest.ref;

  BlockDevice& metadata = devices.metadata ? *devices.metadata : devices.snapstore;
  DD_TRY(wipe_superblocks(metadata));
  std::vector<IoRequest> requests;
  manifest.blocks.add_requests(superblock.layout, requests);
  DD_TRY(metadata.run(requests));
  DD_TRY(metadata.flush());
  if (devices.metadata) DD_TRY(write_superblock(devices.snapstore, data_superblock(superblock)));
  return write_superblock(metadata, superblock);
}

Result<bool> is_store(const StoreDevices& devices) {
  if (DD_TRY(has_superblock_magic(devices.snapstore))) return true;
  return devices.metadata ? has_superblock_magic(*devices.metadata) : Result<bool>(false);
}

}  // namespace ddsnap
