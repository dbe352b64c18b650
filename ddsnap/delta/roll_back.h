// Ends an interrupted apply the other way: the target gets back what it held before.
//
// Shape     The undo that the apply saved (undo_file.h) may have no end: it is read as far as it is
//           whole, which must be at least as far as the target was written. All of it is checked
//           first, then recorded as one window that is in doubt, then written. Interrupted, it is
//           run again.
// Errors    kDamaged when the undo lacks something; nothing was written then. kUsage from a pipe.
// Threads   As apply_delta().
#pragma once

#include "ddsnap/delta/apply_delta.h"

namespace ddsnap {

// Whether this delta is the undo of what was interrupted on the target.
bool is_roll_back(const DeltaHeader& header, const TargetState& state);

Result<ApplyReport> roll_back(ByteSource& source, BlockDevice& target, ApplyState& store,
                              TargetState state, WorkContext& context);

}  // namespace ddsnap
