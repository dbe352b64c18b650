// What can be judged before any content is looked at: sizes, and what the target remembers.
//
// Errors    kUsage where delta and target can never belong together; kFailed where the target's
//           past forbids this delta now.
// Threads   Plain functions.
#pragma once

#include "ddsnap/base/result.h"
#include "ddsnap/delta/apply_state.h"
#include "ddsnap/delta/delta_header.h"
#include "ddsnap/io/block_device.h"

namespace ddsnap {

// The target has the newer volume's size, or, where it shrank, still the older one's (D6).
Status check_target_size(const DeltaHeader& header, const BlockDevice& target);

// An unfinished apply of another delta, a delta of the past (TIMELINES 8), a target that is known
// to hold another snapshot than the delta's base.
Status check_history(const DeltaHeader& header, const BlockDevice& target, const TargetState& state,
                     bool is_forced);

// Where the target no longer holds what the last apply left there (target_samples.h), what is
// remembered of it no longer counts: all of it where it was replaced, which is told, its proof of
// the base where it was touched. An interrupted apply is never forgotten.
Result<bool> forget_what_is_gone(BlockDevice& target, TargetState& state);

// Whether the target is known to hold the snapshot that the delta starts from.
bool is_base_proven(const DeltaHeader& header, const TargetState& state);

// The state after the delta was applied.
TargetState state_after(const DeltaHeader& header, TargetState state);

}  // namespace ddsnap
