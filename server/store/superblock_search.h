// Finds a store whose beginning was overwritten: the third copy of its superblock lies behind its
// table region, and nothing in front tells any more where that is.
//
// Shape     Looks at every block where it could lie. A copy counts only at the place that it says
//           is its own, so that a copy of a store inside somebody's slot is not taken for it. Of
//           several (an older store once had another layout here) the youngest store's wins.
// Errors    kIo only where everything failed to be read; kDamaged never: what is not a copy is
//           passed over.
// Threads   Plain function.
// Source    SNAPSTORE.md, section 7.1.
#pragma once

#include <optional>

#include "server/store/superblock.h"

namespace ddsnap {

// None: there is none. `is_all_metadata`: the slots are on another device, so all of this one may
// be table region. The copies at the start count as stale.
Result<std::optional<SuperblockRead>> find_third_superblock(BlockDevice& metadata,
                                                            bool is_all_metadata);

}  // namespace ddsnap
