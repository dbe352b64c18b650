// Takes the frames of a delta, in order, through reading, comparing with a target, and decoding.
//
//     read frames and what the target holds   judge, decompress, verify   visit
//     one thread, many reads in flight         all cores                  the caller's thread
//
// Shape     A planner says of each frame what is to be done with it; the visitor gets the frames
//           one after the other. A frame that names much is compared in pieces, so memory is
//           bounded whatever a frame says.
// Errors    Those of a plain loop: the first in order wins, and every frame before it was visited.
//           kDamaged with the place of a frame whose content is not what its hashes say.
//           kInterrupted.
// Threads   The planner is called by one thread of its own, the visitor by the caller's; the target
//           is read while the visitor runs. With no workers all is done by the caller's thread.
// Lifetime  Borrows everything for the call.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "ddsnap/base/aligned_buffer.h"
#include "ddsnap/base/result.h"
#include "ddsnap/base/work_context.h"
#include "ddsnap/delta/changed_blocks.h"
#include "ddsnap/delta/delta_reader.h"
#include "ddsnap/delta/present.h"
#include "ddsnap/io/block_device.h"

namespace ddsnap {

struct FramePlan {
  enum class Decode {
    kNo,
    kYes,
    kWhereBefore,  // differences only where their base is there; all others
  };
  bool is_compared = false;
  Decode decode = Decode::kNo;
  bool is_for_writing = false;  // of a difference, what the target does not hold yet is found
};

struct PipedFrame {
  DeltaFrame frame;                 // its payload is gone where it was decoded
  std::vector<PresentRun> present;  // where it was compared
  bool is_before = true;            // all of `present`
  bool is_after = true;
  bool is_decoded = false;
  std::optional<std::vector<BlockRun>> changed;  // of a difference decoded for writing
  AlignedBuffer buffer;                          // may be taken

  std::span<const std::byte> content() const { return buffer.span().first(frame.data_bytes); }
};

struct FrameStages {
  std::function<FramePlan(const DeltaFrame&)> plan;
  std::function<Status(PipedFrame&)> visit;
};

// All frames up to the end of the delta; the reader has checked all of it then. `target` may be
// null where nothing is compared and no difference decoded. kUsage where the context has too little
// memory for frames as long as the header announces.
Status run_frames(DeltaReader& reader, BlockDevice* target, const FrameStages& stages,
                  const WorkContext& context);

}  // namespace ddsnap
