#include "server/room_watch.h"

#include <fmt/format.h>

#include <algorithm>

namespace ddsnap {

namespace {

constexpr unsigned kForgetBelow = 3;  // percent under a share before it is told again

struct Region {
  const char* name;
  unsigned percent_used;
};

unsigned percent_used(std::uint64_t free, std::uint64_t total) {
  if (total == 0) return 0;
  return static_cast<unsigned>(100 - (free * 100 + total - 1) / total);
}

std::array<Region, 2> regions_of(const StoreRoom& room) {
  return {Region{"room for chunks", percent_used(room.slots_free, room.slots_total)},
          Region{"room for metadata",
                 percent_used(room.metadata_blocks_free, room.metadata_blocks_total)}};
}

// How many of the shares are reached.
std::size_t level_of(const StoreSettings& settings, unsigned percent) {
  return static_cast<std::size_t>(std::ranges::count_if(
      settings.warn_percent, [&](unsigned share) { return share != 0 && percent >= share; }));
}

std::string sentence(const Region& region) {
  return fmt::format(
      "{} % of the snapstore's {} is used; when it is full, snapshots are dropped, "
      "unused ones of low priority first",
      region.percent_used, region.name);
}

}  // namespace

std::vector<std::string> room_warnings(const SnapStore& store) {
  std::vector<std::string> all;
  for (const Region& region : regions_of(store.room()))
    if (level_of(store.settings(), region.percent_used) != 0) all.push_back(sentence(region));
  return all;
}

void RoomWatch::look() {
  const auto regions = regions_of(store_.room());
  for (std::size_t i = 0; i < regions.size(); ++i) {
    const std::size_t level = level_of(store_.settings(), regions[i].percent_used);
    if (level > told_[i]) {
      log_.warning("{}", sentence(regions[i]));
      told_[i] = level;
    } else {
      told_[i] =
          std::min(told_[i], level_of(store_.settings(), regions[i].percent_used + kForgetBelow));
    }
  }
}

}  // namespace ddsnap
