#include "server/store/block_cache.h"

#include <algorithm>

namespace ddsnap {

BlockCache::BlockCache(BlockDevice& metadata, const Layout& layout, const Uuid& store,
                       std::size_t capacity_bytes)
    : device_(metadata),
      layout_(layout),
      store_(store),
      capacity_blocks_(std::max<std::size_t>(capacity_bytes / kMetadataBlockBytes, 16)),
      buffer_(kMetadataBlockBytes) {}

Result<std::span<const std::byte>> BlockCache::get(ObjectId object, std::uint32_t index,
                                                   std::uint32_t location) {
  const std::pair key{object.owner, index};
  if (const auto found = index_.find(key); found != index_.end()) {
    entries_.splice(entries_.begin(), entries_, found->second);
    return std::span<const std::byte>(entries_.front().payload);
  }
  DD_TRY(device_.read_at(layout_.block_offset_bytes(location), buffer_.span()));
  const auto payload =
      DD_TRY(check_metadata_block(buffer_.span(), store_, object, index, location));
  if (entries_.size() >= capacity_blocks_) {
    index_.erase(entries_.back().key);
    entries_.pop_back();
  }
  entries_.push_front({key, {payload.begin(), payload.end()}});
  index_[key] = entries_.begin();
  return std::span<const std::byte>(entries_.front().payload);
}

}  // namespace ddsnap
