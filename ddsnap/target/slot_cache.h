// What a snapshot target remembers of where its chunks are: slots, zeros, private slots (T6).
//
// Shape     Two maps: what is used moves to the young one; when that is full it becomes the old
// one and the old one is forgotten. At most kMaxCachedSlots entries in all. "Origin" is never
// remembered: it is true at one instant only.
// Threads   None inside; the caller serialises.
#pragma once

#include <optional>
#include <span>
#include <unordered_map>

#include "ddsnap/base/limits.h"
#include "ddsnap/wire/messages.h"

namespace ddsnap {

class SlotCache {
 public:
  explicit SlotCache(std::size_t max_entries = kMaxCachedSlots) : half_(max_entries / 2) {}

  std::optional<LocatedEntry> find(ChunkNr chunk);
  void remember(const LocatedEntry& entry);
  void forget(std::span<const ChunkRange> ranges);
  void clear();
  std::size_t size() const { return young_.size() + old_.size(); }

 private:
  using Map = std::unordered_map<std::uint32_t, LocatedEntry>;

  const std::size_t half_;
  Map young_;
  Map old_;
};

}  // namespace ddsnap
