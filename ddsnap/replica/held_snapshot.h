// A snapshot or bookmark that one end of replication holds.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ddsnap/base/uuid.h"
#include "ddsnap/wire/cli_messages.h"

namespace ddsnap {

struct HeldSnapshot {
  Uuid uuid;
  std::string tag;       // of a bare device: empty
  bool has_data = true;  // not a bookmark
  std::int8_t priority = 0;
  bool is_in_use = false;  // held by a use count, or a target has it open
  std::uint64_t created_ns = 0;
  std::uint64_t size_bytes = 0;
};

HeldSnapshot held_from(const SnapshotEntry& entry);
// Null when it is not among them.
const HeldSnapshot* find_held(const std::vector<HeldSnapshot>& all, const Uuid& uuid);

}  // namespace ddsnap
