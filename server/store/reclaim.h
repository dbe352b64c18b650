// Slots that a removed snapshot leaves behind, freed in bounded pieces.
//
// Shape     The groups of runs that the snapshot's table had, and the chunks whose entries died:
// those visible in these groups. Every dead
//           entry belongs to exactly one Reclaim, so no slot is freed twice.
// Lifetime  In memory only: after a crash free space is derived from the tables anew, which
// finishes every reclaim at once. Source    DESIGN.md section 3, S4.
#pragma once

#include <roaring/roaring.hh>
#include <vector>

#include "server/store/table.h"

namespace ddsnap {

struct Reclaim {
  std::vector<RunGroup> groups;
  Roaring dead;
};

// What applying an operation set free.
struct Freed {
  std::vector<SlotNr> slots;      // known at once: their entries were recent
  std::vector<Reclaim> reclaims;  // to be looked up in runs

  void add(const Exception& exception) {
    if (exception.has_slot()) slots.push_back(exception.slot);
  }
};

}  // namespace ddsnap
