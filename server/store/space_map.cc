#include "server/store/space_map.h"

#include <algorithm>
#include <bit>

#include "ddsnap/base/result.h"

namespace ddsnap {

SpaceMap::SpaceMap(std::uint64_t unit_count)
    : unit_count_(unit_count), pages_((unit_count + kPageUnits - 1) / kPageUnits) {}

void SpaceMap::grow(std::uint64_t unit_count) {
  DD_CHECK(unit_count >= unit_count_);
  unit_count_ = unit_count;
  pages_.resize((unit_count + kPageUnits - 1) / kPageUnits);
}

bool SpaceMap::is_used(std::uint32_t unit) const {
  const auto& page = pages_[unit / kPageUnits];
  if (!page) return false;
  return (page->words[unit % kPageUnits / 64] >> (unit % 64)) & 1;
}

bool SpaceMap::mark_used(std::uint32_t unit) {
  auto& page = pages_[unit / kPageUnits];
  if (!page) page = std::make_unique<Page>();
  std::uint64_t& word = page->words[unit % kPageUnits / 64];
  const std::uint64_t bit = std::uint64_t{1} << (unit % 64);
  if (word & bit) return false;
  word |= bit;
  ++page->used;
  ++used_count_;
  return true;
}

void SpaceMap::mark_free(std::uint32_t unit) {
  auto& page = pages_[unit / kPageUnits];
  DD_CHECK(page && is_used(unit));
  page->words[unit % kPageUnits / 64] &= ~(std::uint64_t{1} << (unit % 64));
  --used_count_;
  if (--page->used == 0) page.reset();
}

std::uint64_t SpaceMap::next_free(std::uint64_t from, std::uint64_t limit) const {
  while (from < limit) {
    const auto& page = pages_[from / kPageUnits];
    if (!page) return from;
    if (page->used == kPageUnits) {
      from = (from / kPageUnits + 1) * kPageUnits;
      continue;
    }
    const std::uint64_t free_bits = ~page->words[from % kPageUnits / 64] >> (from % 64);
    if (free_bits != 0)
      return std::min<std::uint64_t>(from + static_cast<unsigned>(std::countr_zero(free_bits)),
                                     limit);
    from = (from / 64 + 1) * 64;
  }
  return limit;
}

std::uint64_t SpaceMap::next_used(std::uint64_t from, std::uint64_t limit) const {
  while (from < limit) {
    const auto& page = pages_[from / kPageUnits];
    if (!page) {
      from = (from / kPageUnits + 1) * kPageUnits;
      continue;
    }
    const std::uint64_t used_bits = page->words[from % kPageUnits / 64] >> (from % 64);
    if (used_bits != 0)
      return std::min<std::uint64_t>(from + static_cast<unsigned>(std::countr_zero(used_bits)),
                                     limit);
    from = (from / 64 + 1) * 64;
  }
  return limit;
}

std::optional<std::uint32_t> SpaceMap::allocate() {
  if (used_count_ == unit_count_) return std::nullopt;
  std::uint64_t unit = next_free(cursor_, unit_count_);
  if (unit == unit_count_) unit = next_free(0, unit_count_);
  mark_used(static_cast<std::uint32_t>(unit));
  cursor_ = unit + 1 == unit_count_ ? 0 : unit + 1;
  return static_cast<std::uint32_t>(unit);
}

void SpaceMap::retire_rest() {
  for (std::uint64_t unit = next_free(cursor_, unit_count_); unit < unit_count_;
       unit = next_free(unit, unit_count_))
    mark_used(static_cast<std::uint32_t>(unit));
  cursor_ = 0;
}

void SpaceMap::jump_half_way() {
  if (unit_count_ != 0) cursor_ = (cursor_ + unit_count_ / 2) % unit_count_;
}

std::optional<SpaceMap::Stretch> SpaceMap::allocate_stretch(std::uint32_t want) {
  if (used_count_ == unit_count_ || want == 0) return std::nullopt;
  Stretch best;
  // Twice around: from the cursor to the end, then from the start.
  for (const std::uint64_t start : {cursor_, std::uint64_t{0}}) {
    for (std::uint64_t at = next_free(start, unit_count_); at < unit_count_;) {
      const std::uint64_t end = next_used(at, std::min<std::uint64_t>(at + want, unit_count_));
      if (end - at > best.count)
        best = {static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(end - at)};
      if (best.count == want) break;
      at = next_free(end, unit_count_);
    }
    if (best.count == want) break;
  }
  mark_stretch(best);
  const std::uint64_t end = std::uint64_t{best.first} + best.count;
  cursor_ = end == unit_count_ ? 0 : end;
  return best;
}

void SpaceMap::mark_stretch(Stretch stretch) {
  for (std::uint32_t i = 0; i < stretch.count; ++i) mark_used(stretch.first + i);
}

}  // namespace ddsnap
