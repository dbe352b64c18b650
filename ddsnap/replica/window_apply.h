// The receiver's half of a transfer: one window after the other, each durable before the next.
//
//     read, check and decode all of the window    nothing was written yet
//     note: it is being written                   durable when the next line begins (D3)
//     write, flush                                durable when the next window is noted
//
// Shape     A chunk's present content must be what the window says it was before, or what it will
//           be; only where an earlier session was cut off while it wrote, it may be anything.
// Errors    kDamaged for a window that is none; kFailed, with the range, where the target holds
//           something else; as target and session say.
// Threads   Makes those of the context for each window, and ends them.
// Lifetime  Borrows everything for its life.
#pragma once

#include <vector>

#include "ddsnap/base/work_context.h"
#include "ddsnap/delta/apply_window.h"
#include "ddsnap/delta/frame_stages.h"
#include "ddsnap/delta/target_samples.h"
#include "ddsnap/replica/session_target.h"
#include "ddsnap/replica/window_source.h"

namespace ddsnap {

class WindowApply {
 public:
  // `cut` tells what is to come and what is in doubt.
  WindowApply(SessionTarget& target, BlockDevice& device, const StartSession& start,
              const CutTransfer& cut, WorkContext& context);

  Status apply(WindowSource& source);
  // The session ends here: what was reached is remembered exactly. Best effort.
  void remember();

  const WrittenChunks& written() const { return written_; }
  std::uint64_t windows() const { return windows_; }
  TargetSamples samples() const { return samples_.take(); }

 private:
  Status check_header(const DeltaHeader& header) const;
  FramePlan plan(const DeltaFrame& frame) const;
  Status take(PipedFrame& piped, std::vector<DecodedFrame>& frames);
  Status write(std::span<const DecodedFrame> frames);

  SessionTarget& target_;
  const StartSession& start_;
  WorkContext& context_;
  ChunkIo io_;
  CutTransfer cut_;
  bool has_noted_ = false;
  DeltaHeader sample_header_;
  SampleDraw samples_;
  WrittenChunks written_;
  std::uint64_t windows_ = 0;
  std::uint64_t window_chunks_ = 0;  // named so far in the window that is read
};

}  // namespace ddsnap
