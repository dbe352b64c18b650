// The sender's half of a transfer: makes the windows, and sends them.
//
// Units     Chunks of the list.
// Shape     A window is a whole delta of its own (DELTA.md, section 3) of some of the chunks.
// Errors    As devices and session say.
// Threads   Those of the context for each window, ended with it.
// Lifetime  Borrows everything for the call, or for its life.
#pragma once

#include <optional>

#include "ddsnap/base/random.h"
#include "ddsnap/base/work_context.h"
#include "ddsnap/delta/changelist.h"
#include "ddsnap/delta/codec.h"
#include "ddsnap/io/block_device.h"
#include "ddsnap/replica/message_stream.h"

namespace ddsnap {

// The chunks of a list from `next` on, window by window.
class ListWindows {
 public:
  ListWindows(const Changelist& list, std::uint64_t next, std::uint32_t window_chunks);
  // Nothing: there are no more.
  std::optional<Changelist> next();

 private:
  const Changelist& list_;
  const std::uint64_t from_;
  const std::uint32_t window_chunks_;
  ChangelistCursor cursor_;
};

// An empty window between volumes of one size: what a list's chunks are, whatever sizes it goes
// between.
Changelist empty_window(const Changelist& list);

// Makes the delta of the window from what `to` holds, and sends it.
Status send_window(MessageStream& stream, const Changelist& window, BlockDevice& to,
                   CodecChoice codec, RandomSource& random, const WorkContext& context);

}  // namespace ddsnap
