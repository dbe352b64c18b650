// An exception: where one chunk's old content was saved, and its hash.
#pragma once

#include "ddsnap/base/hash.h"
#include "ddsnap/base/units.h"

namespace ddsnap {

// Stands for "all zeros, no slot".
inline constexpr SlotNr kZeroSlot{0xffffffff};

struct Exception {
  SlotNr slot;
  ChunkHash hash;  // 0 and meaningless in private tables: their slots change in place (S2)

  bool is_zero() const { return slot == kZeroSlot; }
};

struct ChunkException {
  ChunkNr chunk;
  Exception exception;
};

}  // namespace ddsnap
