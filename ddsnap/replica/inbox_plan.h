// What becomes of the deltas that lie in an inbox, judged by their names and by what the volume
// holds.
//
//     there      the volume holds what it ends in
//     next       starts from what the volume holds; of two that start from the same snapshot the
//     one
//                with the higher number, since upstream began anew there
//     overtaken  upstream began anew before it: its number is lower than that of one that is there,
//                and no way leads to it but past that one
//     waits      all others: their turn comes, or what comes before them is missing
//
// Shape     A delta is overtaken only by one that is applied already and still lies there, so that
// a
//           damaged one puts nobody in its place, and a run that is killed leaves the next one with
//           the same verdicts.
// Threads   A plain function.
#pragma once

#include <optional>
#include <vector>

#include "ddsnap/replica/delta_name.h"
#include "ddsnap/replica/held_snapshot.h"

namespace ddsnap {

struct InboxPlan {
  std::vector<DeltaName> there;
  std::vector<DeltaName> overtaken;
  std::vector<DeltaName> waiting;  // `next` among them
  std::optional<DeltaName> next;
};

// Requires: `deltas` is sorted, as DeltaFolder has them.
InboxPlan plan_inbox(const std::vector<DeltaName>& deltas, const std::vector<HeldSnapshot>& held);

}  // namespace ddsnap
