// Bytes of any length kept in metadata blocks: manifests and change maps.
//
// Shape     Cut into payloads of metadata blocks, over as few stretches of blocks as there are
// free. Errors    plan_blob: kNoSpace (nothing allocated). read_blob: kDamaged. Durable   Planned
// blocks are written by the caller, with its other requests, and flushed by it. Threads   None
// inside.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "ddsnap/base/aligned_buffer.h"
#include "ddsnap/base/uuid.h"
#include "ddsnap/io/block_device.h"
#include "server/store/layout.h"
#include "server/store/metadata_block.h"
#include "server/store/space_map.h"

namespace ddsnap {

inline constexpr std::size_t kMaxBlobExtents = 400;
inline constexpr std::size_t kMaxManifestExtents = 200;  // the superblock has room for two copies

struct BlobRef {
  std::uint64_t owner = 0;
  std::uint64_t size_bytes = 0;
  std::vector<SpaceMap::Stretch> extents;
  bool is_empty() const { return size_bytes == 0; }
};

std::uint64_t blob_blocks(std::uint64_t size_bytes);

// Blocks that are sealed and wait for being written: one buffer, one request a stretch.
struct PlannedBlocks {
  AlignedBuffer buffer;
  std::vector<SpaceMap::Stretch> extents;
  void add_requests(const Layout& layout, std::vector<IoRequest>& requests) const;
};

struct PlannedBlob {
  BlobRef ref;
  PlannedBlocks blocks;
};
Result<PlannedBlob> plan_blob(std::span<const std::byte> bytes, ObjectId object, const Uuid& store,
                              SpaceMap& space);
// Two blobs of the same bytes with neighbouring owners, half the region apart where there is room.
Result<std::array<PlannedBlob, 2>> plan_two_blobs(std::span<const std::byte> bytes,
                                                  ObjectId first_object, const Uuid& store,
                                                  SpaceMap& space);

Result<std::vector<std::byte>> read_blob(BlockDevice& metadata, const Layout& layout,
                                         const Uuid& store, MetadataType type, const BlobRef& ref);

// Stretches that add up to `blocks`, or kNoSpace with nothing taken.
Result<std::vector<SpaceMap::Stretch>> allocate_blocks(SpaceMap& space, std::uint64_t blocks,
                                                       std::size_t max_extents);

}  // namespace ddsnap
