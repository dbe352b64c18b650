// An exception: where one chunk's old content was saved, and its hash.
#pragma once

#include "ddsnap/base/hash.h"
#include "ddsnap/base/units.h"

namespace ddsnap {

// Stands for "all zeros, no slot".
inline constexpr SlotNr kZeroSlot{0xffffffff};
// Stands for "the origin could not be read when this was to be saved": the content is lost (S5).
inline constexpr SlotNr kLostSlot{0xfffffffe};

struct Exception {
  SlotNr slot;
  // 0 and meaningless where the content is lost, and in private tables: their slots change in place
  // (S2).
  ChunkHash hash;

  bool is_zero() const { return slot == kZeroSlot; }
  bool is_lost() const { return slot == kLostSlot; }
  bool has_slot() const { return !is_zero() && !is_lost(); }
};

struct ChunkException {
  ChunkNr chunk;
  Exception exception;
};

}  // namespace ddsnap
