#include "server/store/blob.h"

#include <algorithm>
#include <cstring>

namespace ddsnap {

std::uint64_t blob_blocks(std::uint64_t size_bytes) {
  return (size_bytes + kMetadataPayloadBytes - 1) / kMetadataPayloadBytes;
}

void PlannedBlocks::add_requests(const Layout& layout, std::vector<IoRequest>& requests) const {
  std::size_t at = 0;
  for (const auto& extent : extents) {
    const std::size_t length = std::size_t{extent.count} * kMetadataBlockBytes;
    requests.push_back(IoRequest::write(layout.block_offset_bytes(extent.first),
                                        buffer.span().subspan(at, length)));
    at += length;
  }
}

Result<std::vector<SpaceMap::Stretch>> allocate_blocks(SpaceMap& space, std::uint64_t blocks,
                                                       std::size_t max_extents) {
  std::vector<SpaceMap::Stretch> extents;
  const auto give_back = [&] {
    for (const auto& extent : extents)
      for (std::uint32_t i = 0; i < extent.count; ++i) space.mark_free(extent.first + i);
    return fail(ErrorCode::kNoSpace, "no room left for metadata");
  };
  while (blocks > 0) {
    if (extents.size() == max_extents) return give_back();
    const auto want = static_cast<std::uint32_t>(std::min<std::uint64_t>(blocks, 1u << 20));
    const auto extent = space.allocate_stretch(want);
    if (!extent) return give_back();
    extents.push_back(*extent);
    blocks -= extent->count;
  }
  return extents;
}

namespace {

Result<PlannedBlob> plan(std::span<const std::byte> bytes, ObjectId object, const Uuid& store,
                         SpaceMap& space, std::size_t max_extents) {
  const std::uint64_t blocks = blob_blocks(bytes.size());
  PlannedBlob planned{.ref = {.owner = object.owner, .size_bytes = bytes.size(), .extents = {}},
                      .blocks = {}};
  planned.ref.extents = DD_TRY(allocate_blocks(space, blocks, max_extents));
  planned.blocks.extents = planned.ref.extents;
  planned.blocks.buffer = AlignedBuffer(blocks * kMetadataBlockBytes);
  std::uint32_t index = 0;
  for (const auto& extent : planned.ref.extents) {
    for (std::uint32_t i = 0; i < extent.count; ++i, ++index) {
      const auto block = planned.blocks.buffer.span().subspan(
          std::size_t{index} * kMetadataBlockBytes, kMetadataBlockBytes);
      const auto part = bytes.first(std::min<std::size_t>(bytes.size(), kMetadataPayloadBytes));
      std::memcpy(block.data() + sizeof(MetadataBlockHeaderDisk), part.data(), part.size());
      bytes = bytes.subspan(part.size());
      seal_metadata_block(block, store, object, index, extent.first + i,
                          static_cast<std::uint32_t>(part.size()));
    }
  }
  return planned;
}

}  // namespace

Result<PlannedBlob> plan_blob(std::span<const std::byte> bytes, ObjectId object, const Uuid& store,
                              SpaceMap& space) {
  return plan(bytes, object, store, space, kMaxBlobExtents);
}

Result<std::array<PlannedBlob, 2>> plan_two_blobs(std::span<const std::byte> bytes,
                                                  ObjectId first_object, const Uuid& store,
                                                  SpaceMap& space) {
  PlannedBlob first = DD_TRY(plan(bytes, first_object, store, space, kMaxManifestExtents));
  space.jump_half_way();
  auto second =
      plan(bytes, {first_object.type, first_object.owner + 1}, store, space, kMaxManifestExtents);
  space.jump_half_way();
  if (!second) {
    for (const auto& extent : first.ref.extents)
      for (std::uint32_t i = 0; i < extent.count; ++i) space.mark_free(extent.first + i);
    return std::unexpected(second.error());
  }
  return std::array{std::move(first), std::move(*second)};
}

Result<std::vector<std::byte>> read_blob(BlockDevice& metadata, const Layout& layout,
                                         const Uuid& store, MetadataType type, const BlobRef& ref) {
  std::uint64_t blocks = 0;
  for (const auto& extent : ref.extents) {
    if (std::uint64_t{extent.first} + extent.count > layout.table_blocks)
      return fail(ErrorCode::kDamaged, "metadata is said to lie outside its region");
    blocks += extent.count;
  }
  if (blocks != blob_blocks(ref.size_bytes))
    return fail(ErrorCode::kDamaged, "metadata is said to have a length that it cannot have");
  std::vector<std::byte> bytes;
  bytes.reserve(ref.size_bytes);
  std::uint32_t index = 0;
  for (const auto& extent : ref.extents) {
    AlignedBuffer buffer(std::size_t{extent.count} * kMetadataBlockBytes);
    DD_TRY(metadata.read_at(layout.block_offset_bytes(extent.first), buffer.span()));
    for (std::uint32_t i = 0; i < extent.count; ++i, ++index) {
      const auto payload = DD_TRY(check_metadata_block(
          buffer.span().subspan(std::size_t{i} * kMetadataBlockBytes, kMetadataBlockBytes), store,
          {type, ref.owner}, index, extent.first + i));
      bytes.insert(bytes.end(), payload.begin(), payload.end());
    }
  }
  if (bytes.size() != ref.size_bytes)
    return fail(ErrorCode::kDamaged, "metadata has another length than it should");
  return bytes;
}

}  // namespace ddsnap
