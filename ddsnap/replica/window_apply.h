// The receiver's half of a transfer: one window after the other, each durable before the next one
// is noted. While one is written, the next is read and checked.
//
//     the session                                 a thread of its own
//     read, check and decode all of window k
//     wait until k - 1 is durable      <--------- write k - 1, flush
//     note: k is being written (D3)
//                                      ---------> write k, flush
//     read, check and decode k + 1
//
// Shape     A chunk's present content must be what the window says it was before, or what it will
//           be; only where an earlier session was cut off while it wrote, it may be anything.
// Errors    kDamaged for a window that is none; kFailed, with the range, where the target holds
//           something else; as target and session say. What a window's writing fails with is told
//           by the next call.
// Threads   One calls. Makes those of the context for each window, and ends them; one more writes.
// Lifetime  Borrows everything for its life.
#pragma once

#include <future>
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

  // When it returns, the window is being written, and those before it are durable.
  Status apply(WindowSource& source);
  // Waits until all windows are durable.
  Status finish();
  // The session ends here: what was reached is remembered exactly. Best effort.
  void remember();

  // Durable ones.
  std::uint64_t windows() const { return windows_; }
  // Requires, as samples(): finish() succeeded.
  const WrittenChunks& written() const { return written_; }
  TargetSamples samples() const { return samples_.take(); }
  const ByteCover& named() const { return named_; }

 private:
  Status check_header(const DeltaHeader& header) const;
  FramePlan plan(const DeltaFrame& frame) const;
  Status take(PipedFrame& piped, std::vector<DecodedFrame>& frames);
  Status begin_writing(std::vector<DecodedFrame> frames);

  SessionTarget& target_;
  const StartSession& start_;
  WorkContext& context_;
  ChunkIo io_;
  const std::uint64_t doubt_end_;  // chunks below it an earlier session may have torn
  std::uint64_t taken_ = 0;        // chunks below it no window may name any more
  CutTransfer cut_;                // what is durable, and what is being written
  bool has_noted_ = false;
  DeltaHeader sample_header_;
  SampleDraw samples_;
  ByteCover named_;
  WrittenChunks written_;
  std::uint64_t windows_ = 0;
  std::uint64_t window_chunks_ = 0;     // named so far in the window that is read
  std::vector<DecodedFrame> writing_;   // the window that is being written
  std::future<Status> written_window_;  // last: its thread uses the others
};

}  // namespace ddsnap
