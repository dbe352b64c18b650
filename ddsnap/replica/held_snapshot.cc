#include "ddsnap/replica/held_snapshot.h"

#include <algorithm>
#include <ranges>

namespace ddsnap {

HeldSnapshot held_from(const SnapshotEntry& entry) {
  return {.uuid = entry.uuid,
          .tag = entry.tag,
          .has_data = entry.state == BoundaryState::kLive,
          .priority = entry.priority,
          .is_in_use = entry.use_count != 0 || entry.target_count != 0,
          .created_ns = entry.created_ns,
          .size_bytes = entry.size_bytes};
}

const HeldSnapshot* find_held(const std::vector<HeldSnapshot>& all, const Uuid& uuid) {
  const auto found = std::ranges::find(all, uuid, &HeldSnapshot::uuid);
  return found == all.end() ? nullptr : &*found;
}

}  // namespace ddsnap
