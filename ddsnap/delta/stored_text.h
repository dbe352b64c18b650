// Uuids and tags as changelists and deltas store them.
//
// Shape     A uuid is its 16 bytes. A tag is 64 bytes: its length, then text, then zeros.
// Errors    unpack_tag: kDamaged for what pack_tag never makes.
// Threads   Plain functions.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>

#include "ddsnap/base/limits.h"
#include "ddsnap/base/result.h"
#include "ddsnap/base/uuid.h"

namespace ddsnap {

struct XDiskUuid {
  std::byte bytes[16];
};

struct XDiskTag {
  std::uint8_t length_bytes;
  char text[kMaxTagBytes];
};
static_assert(sizeof(XDiskTag) == 64 && alignof(XDiskTag) == 1);

inline XDiskUuid pack_uuid(const Uuid& uuid) {
  XDiskUuid disk;
  std::memcpy(disk.bytes, uuid.bytes.data(), sizeof disk.bytes);
  return disk;
}

inline Uuid unpack_uuid(const XDiskUuid& disk) {
  Uuid uuid;
  std::memcpy(uuid.bytes.data(), disk.bytes, sizeof disk.bytes);
  return uuid;
}

// Requires: check_stored_tag(tag) succeeds.
XDiskTag pack_tag(const std::string& tag);
Result<std::string> unpack_tag(const XDiskTag& disk);

}  // namespace ddsnap
