#include "server/store/live_index.h"

namespace ddsnap {

namespace {
constexpr unsigned shift_of(unsigned level, unsigned bits) {
  return (level + 1) * bits;
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
  for (const auto& [epoch, table] : live_)
    for (unsigned level = 0; level < kLevels; ++level)
      unions_[level][epoch >> shift_of(level, kBitsPerLevel)] |= table->keys;
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
  for (unsigned level = 0; level < kLevels; ++level)
    unions_[level][epoch.value >> shift_of(level, kBitsPerLevel)].add(chunk.value);
}

void LiveIndex::note_keys(Epoch epoch, const Roaring& keys) {
  if (!has_unions()) return;
  for (unsigned level = 0; level < kLevels; ++level)
    unions_[level][epoch.value >> shift_of(level, kBitsPerLevel)] |= keys;
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
    if (group == unions_[level].end() || !group->second.contains(chunk.value))
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
