// The records of a snapstore as JSON values, for 'ddsnap dump'.
//
// Units     As in SNAPSTORE.md; ranges are [first, count], checksums and owners hexadecimal texts.
// Threads   Plain functions.
#pragma once

#include <nlohmann/json.hpp>
#include <roaring/roaring.hh>
#include <string>
#include <vector>

#include "server/store/operations.h"
#include "server/store/superblock.h"

namespace ddsnap {

std::string hex_text(std::uint64_t value);
const char* kind_name(BoundaryKind kind);
nlohmann::ordered_json ranges_to_json(const Roaring& bitmap);
nlohmann::ordered_json to_json(const std::vector<SpaceMap::Stretch>& extents);
nlohmann::ordered_json to_json(const Superblock& superblock);
nlohmann::ordered_json to_json(const Attachment& attachment);
// [chunk, slot, hash]; the slot is null for a chunk of zeros.
nlohmann::ordered_json to_json(const ChunkException& entry);
// `is_full`: with its exceptions, not only their number.
nlohmann::ordered_json to_json(const Operation& operation, bool is_full);

}  // namespace ddsnap
