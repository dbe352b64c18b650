// One apply under way: what is known of the target, what was found there, and the windows in which
// it is written.
//
// Shape     survey() and write() for a source that is read twice, write() alone for a pipe; then
//           finish(). Which frames an interrupted apply left done, in doubt or untouched comes from
//           the target's record (DELTA.md, section 5).
// Errors    As apply_delta().
// Threads   The frame pipeline's threads call plan_*(), which only read; those of the WindowWriter
//           write windows while the caller's prepares the next.
// Lifetime  Borrows everything for its life.
#pragma once

#include <deque>
#include <optional>
#include <vector>

#include "ddsnap/delta/apply_delta.h"
#include "ddsnap/delta/apply_tally.h"
#include "ddsnap/delta/apply_window.h"
#include "ddsnap/delta/frame_stages.h"
#include "ddsnap/delta/target_samples.h"
#include "ddsnap/delta/window_writer.h"

namespace ddsnap {

class ApplyRun {
 public:
  struct Place {
    BlockDevice& target;
    ApplyState& store;
  };
  ApplyRun(const DeltaHeader& header, const Place& place, TargetState state,
           const ApplyOptions& options, WorkContext& context);

  // Everything that can be known before the first write (D1).
  Status survey(DeltaReader& reader, ByteSource& source);
  // Whether survey() kept all that is to be written, so that the source is not needed again.
  bool is_all_kept() const { return is_surveyed_ && is_keeping_; }
  Status write(DeltaReader& reader, ByteSource& source);
  Status write_kept();
  // The target is what the delta ends in: remembered from now on.
  Status finish();

  // Every chunk that was compared held the new content already.
  bool is_already_applied() const;
  ApplyReport report() const;

 private:
  using Expect = ApplyTally::Expect;

  bool is_compared() const { return !(header_.is_full() && is_forced_); }
  bool is_in_resumed_window(std::uint64_t frame_nr) const;
  bool is_done_before(std::uint64_t frame_nr) const;
  Expect expected(std::uint64_t frame_nr) const;

  FramePlan plan_survey(const DeltaFrame& frame) const;
  FramePlan plan_write(const DeltaFrame& frame) const;
  Status note(const PipedFrame& piped);
  std::size_t kept_limit_bytes() const;
  Status keep(PipedFrame& piped);
  Status use_saved(PipedFrame& piped);

  Status write_piped(PipedFrame& piped);
  void skip(const DeltaFrame& frame);
  Status put(DecodedFrame decoded);
  Status commit();
  Status commit_new_window();
  Status start_writing(ApplyWindow record);
  Status finish_writing(std::size_t most_under_way = 0);
  bool may_leave_under_way() const;
  void let_go(DecodedFrame& one);
  Result<bool> is_window_done();
  bool may_advance() const;
  AlignedBuffer take_spare();
  void report_progress(std::uint64_t chunks, const DeltaFrame& frame);

  const DeltaHeader& header_;
  BlockDevice& target_;
  ChunkIo io_;
  ApplyState& store_;
  TargetState state_;
  const ApplyOptions& options_;
  WorkContext& context_;
  const std::optional<ApplyWindow> resumed_;
  const bool is_forced_;
  const bool is_base_proven_;
  const std::size_t window_bytes_;
  std::size_t next_window_bytes_;  // small at first, so that the target soon has work

  ApplyTally tally_;
  SampleDraw samples_;
  bool is_surveyed_ = false;
  bool is_keeping_ = true;      // every frame so far that is to be written is in kept_
  std::uint64_t kept_end_ = 0;  // frames from here on were not kept
  std::size_t kept_bytes_ = 0;
  std::deque<DecodedFrame> kept_;

  std::vector<DecodedFrame> pending_;
  std::size_t pending_bytes_ = 0;
  std::vector<AlignedBuffer> spare_;
  std::uint64_t done_before_ = 0;
  WorkProgress progress_;
  WindowWriter writer_;
};

}  // namespace ddsnap
