// The frames of an undo: what the target holds in the chunks that a window is about to change.
//
// Shape     Chunk after chunk of the window, those that the older volume has; read, hashed and
//           compressed by all cores.
// Errors    As the target; kFailed where a chunk changed since it was compared.
// Threads   Those of the context, inside the call.
// Lifetime  Borrows everything for the call.
#pragma once

#include <span>

#include "ddsnap/base/work_context.h"
#include "ddsnap/delta/apply_window.h"
#include "ddsnap/delta/delta_writer.h"

namespace ddsnap {

// An entry of the forward delta that is to be undone.
struct UndoItem {
  FrameEntry entry;                    // of the forward delta
  std::span<const std::byte> content;  // of a data chunk, as the forward delta leaves it
};

// `header` is the undo's. Tells how many frames it took.
Result<std::uint64_t> write_undo_frames(const DeltaHeader& header, std::span<const UndoItem> items,
                                        BlockDevice& target, DeltaWriter& writer,
                                        const WorkContext& context);

}  // namespace ddsnap
