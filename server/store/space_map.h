// Which units of a region (slots, or metadata blocks) are in use: one bit each, in pages that exist
// only where something is used.
//
// Shape     Next-fit: allocation goes on from where the last one ended, so that what is written
// together lies together. Threads   None inside; the caller serialises. Lifetime  Nothing here is
// on disk: the map is derived from the tables at recovery (DESIGN section 3).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace ddsnap {

class SpaceMap {
 public:
  SpaceMap() = default;
  explicit SpaceMap(std::uint64_t unit_count);
  // The new units at the end are free. Requires: not fewer than now.
  void grow(std::uint64_t unit_count);

  struct Stretch {
    std::uint32_t first = 0;
    std::uint32_t count = 0;
  };

  std::uint64_t unit_count() const { return unit_count_; }
  std::uint64_t used_count() const { return used_count_; }
  std::uint64_t free_count() const { return unit_count_ - used_count_; }
  bool is_used(std::uint32_t unit) const;
  // False when it was used already: for slots that is damage, for blocks a shared one.
  bool mark_used(std::uint32_t unit);
  // Requires: the unit is used.
  void mark_free(std::uint32_t unit);

  // The next free unit from the cursor on, marked used.
  std::optional<std::uint32_t> allocate();
  // `want` free neighbours if there are any, else the longest stretch found; marked used. None when
  // all is used.
  std::optional<Stretch> allocate_stretch(std::uint32_t want);
  // Everything free from the cursor to the end counts as used from now on.
  void retire_rest();
  // Allocation goes on half the region away: for what must not lie beside its twin. Twice, and it
  // is back.
  void jump_half_way();
  // Allocation goes on where it stood in `before`.
  void continue_after(const SpaceMap& before) { cursor_ = before.cursor_; }

 private:
  static constexpr std::uint32_t kPageUnits = 32768;
  struct Page {
    std::array<std::uint64_t, kPageUnits / 64> words{};
    std::uint32_t used = 0;
  };
  // The first free unit in [from, limit), or limit.
  std::uint64_t next_free(std::uint64_t from, std::uint64_t limit) const;
  // The first used unit in [from, limit), or limit.
  std::uint64_t next_used(std::uint64_t from, std::uint64_t limit) const;
  void mark_stretch(Stretch stretch);

  std::uint64_t unit_count_ = 0;
  std::uint64_t used_count_ = 0;
  std::uint64_t cursor_ = 0;
  std::vector<std::unique_ptr<Page>> pages_;
};

}  // namespace ddsnap
