// Where a volume truly differs from the snapshot that it should still be, among the chunks that
// were written since.
//
// Shape     Written is not different: what was put back, or written with what was there, is as
//           before.
// Errors    As the devices say.
// Threads   Plain functions.
#pragma once

#include <functional>

#include "ddsnap/base/result.h"
#include "ddsnap/delta/changelist.h"
#include "ddsnap/io/block_device.h"

namespace ddsnap {

// What a volume that is as large cannot take: a copy has the size of what it is a copy of, and
// volumes do not shrink. kUsage; `tag` is the snapshot of so many bytes that is to come.
Status check_copy_size(const std::string& name, std::uint64_t volume_bytes, const std::string& tag,
                       std::uint64_t snapshot_bytes);

// The chunks of the list for which the test holds.
Changelist chosen_of(const Changelist& list, const std::function<bool(ChunkNr)>& test);

// Of a list between two sizes, the whole chunks that both have: what lies behind them is new, and
// nobody wrote it. Any other list as it is.
Changelist common_of(Changelist list);

// The chunks of the list in which `present` is not what `base` holds; without a base (a bookmark),
// not what the list says of it, and a chunk of which it says nothing counts as different. Requires:
// both ends of the list have one size.
Result<Changelist> truly_different(const Changelist& list, BlockDevice& present, BlockDevice* base);

}  // namespace ddsnap
