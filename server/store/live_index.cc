#include "server/store/live_index.h"

#include <bit>
#include <utility>
#include <vector>

namespace ddsnap {

namespace {
constexpr unsigned shift_of(unsigned level, unsigned bits) {
  return (level + 1) * bits;
}

Roaring shifted_right(const ChunkSet& numbers, unsigned shift) {
  std::vector<std::uint32_t> found;
  numbers.for_each([&](std::uint32_t number) {
    if (found.empty() || found.back() != number >> shift) found.push_back(number >> shift);
  });
  return {found.size(), found.data()};
}
}  // namespace

void LiveIndex::add(Epoch epoch, const Table& table) {
  live_[epoch.value] = &table;
  if (live_.size() == kManyTables + 1 && unions_[0].empty())
    build_unions();
  else
    note_keys(epoch, table.keys);
}

void LiveIndex::build_unions() {
  for (const auto& [epoch, table] : live_) note_keys({epoch}, table->keys);
}

void LiveIndex::coarsen_for(std::uint32_t chunk) {
  const unsigned bits = static_cast<unsigned>(std::bit_width(chunk));
  if (bits <= kRegionBits + region_shift_) return;
  const unsigned more = bits - kRegionBits - region_shift_;
  region_shift_ += more;
  for (auto& level : unions_)
    for (auto& [group, regions] : level)
      regions = shifted_right(ChunkSet(std::move(regions)), more);
}

void LiveIndex::remove(Epoch epoch) {
  live_.erase(epoch.value);
  for (unsigned level = 0; level < kLevels; ++level) {
    const unsigned shift = shift_of(level, kBitsPerLevel);
    const std::uint64_t group = epoch.value >> shift;
    const auto next = live_.lower_bound(group << shift);
    const bool is_empty = next == live_.end() || next->first >> shift != group;
    if (is_empty) unions_[level].erase(group);
  }
}

void LiveIndex::note_key(Epoch epoch, ChunkNr chunk) {
  if (!has_unions()) return;
  coarsen_for(chunk.value);
  for (unsigned level = 0; level < kLevels; ++level)
    unions_[level][epoch.value >> shift_of(level, kBitsPerLevel)].add(region_of(chunk.value));
}

void LiveIndex::note_keys(Epoch epoch, const ChunkSet& keys) {
  if (!has_unions() || keys.is_empty()) return;
  coarsen_for(keys.maximum());
  const Roaring regions = region_shift_ == 0 ? keys.bitmap() : shifted_right(keys, region_shift_);
  for (unsigned level = 0; level < kLevels; ++level)
    unions_[level][epoch.value >> shift_of(level, kBitsPerLevel)] |= regions;
}

Epoch LiveIndex::before(Epoch epoch) const {
  const auto at = live_.lower_bound(epoch.value);
  return at == live_.begin() ? Epoch{} : Epoch{std::prev(at)->first};
}

std::optional<std::uint64_t> LiveIndex::skip_to(std::uint64_t epoch, ChunkNr chunk) const {
  if (!has_unions()) return std::nullopt;
  for (unsigned level = kLevels; level-- > 0;) {
    const unsigned shift = shift_of(level, kBitsPerLevel);
    const auto group = unions_[level].find(epoch >> shift);
    if (group == unions_[level].end() || !group->second.contains(region_of(chunk.value)))
      return ((epoch >> shift) + 1) << shift;
  }
  return std::nullopt;
}

const Table* LiveIndex::find(Epoch from, ChunkNr chunk) const {
  for (auto at = live_.lower_bound(from.value); at != live_.end();) {
    if (const auto next = skip_to(at->first, chunk)) {
      at = live_.lower_bound(*next);
      continue;
    }
    if (at->second->has(chunk)) return at->second;
    ++at;
  }
  return nullptr;
}

}  // namespace ddsnap
