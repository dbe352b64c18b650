#include "ddsnap/target/slot_cache.h"

#include <algorithm>

namespace ddsnap {

std::optional<LocatedEntry> SlotCache::find(ChunkNr chunk) {
  if (const auto found = young_.find(chunk.value); found != young_.end()) return found->second;
  const auto found = old_.find(chunk.value);
  if (found == old_.end()) return std::nullopt;
  const LocatedEntry entry = found->second;
  old_.erase(found);
  remember(entry);
  return entry;
}

void SlotCache::remember(const LocatedEntry& entry) {
  if (entry.place == Place::kOrigin || entry.place == Place::kNowhere) return;
  old_.erase(entry.chunk.value);
  if (young_.size() >= half_ && !young_.contains(entry.chunk.value)) {
    old_ = std::move(young_);
    young_.clear();
  }
  young_.insert_or_assign(entry.chunk.value, entry);
}

void SlotCache::forget(std::span<const ChunkRange> ranges) {
  const auto is_named = [&](const Map::value_type& item) {
    return std::ranges::any_of(ranges, [&](ChunkRange range) {
      return item.first >= range.first.value && item.first < range.end();
    });
  };
  std::erase_if(young_, is_named);
  std::erase_if(old_, is_named);
}

void SlotCache::clear() {
  young_.clear();
  old_.clear();
}

}  // namespace ddsnap
