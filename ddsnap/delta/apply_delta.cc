#include "ddsnap/delta/apply_delta.h"

#include <fmt/format.h>

#include <optional>
#include <vector>

#include "ddsnap/delta/apply_rules.h"
#include "ddsnap/delta/apply_tally.h"
#include "ddsnap/delta/apply_window.h"
#include "ddsnap/delta/chunk_io.h"
#include "ddsnap/delta/delta_reader.h"
#include "ddsnap/delta/present.h"

namespace ddsnap {

namespace {

using Expect = ApplyTally::Expect;

class Applier {
 public:
  Applier(const DeltaHeader& header, BlockDevice& target, ApplyState& store, TargetState state,
          const ApplyOptions& options)
      : header_(header),
        target_(target),
        io_(target, header.to_geometry()),
        present_(target, header),
        store_(store),
        state_(std::move(state)),
        options_(options),
        resumed_(state_.window && state_.window->delta_uuid == header.delta_uuid ? state_.window
                                                                                 : std::nullopt),
        is_forced_(options.is_forced || (resumed_ && resumed_->is_forced)),
        is_base_proven_(is_base_proven(header, state_)),
        tally_({target.name(), header.is_full(), is_base_proven_ || is_forced_}) {}

  // Everything that can be known before the first write (D1).
  Status survey(DeltaReader& reader, ByteSource& source) {
    while (auto frame = DD_TRY(reader.next())) {
      DD_TRY(compare(*frame));
      DD_TRY(check_decodes(*frame));
      if (tally_.is_wrong() && !tally_.is_range_open()) break;
    }
    DD_TRY(tally_.check());
    DD_TRY(expect_end(source));
    is_surveyed_ = true;
    return {};
  }

  // Every chunk that was compared held the new content already.
  bool is_already_applied() const {
    return !resumed_ && is_compared() && header_.chunk_count > 0 && tally_.is_all_after() &&
           written_.data + written_.zero == 0;
  }

  Status write(DeltaReader& reader, ByteSource& source) {
    while (auto frame = DD_TRY(reader.next())) {
      if (resumed_ && frame->frame_nr < resumed_->end_frame()) {
        DD_TRY(repeat(*frame));
        continue;
      }
      DD_TRY(end_repeat());
      if (pending_bytes_ + frame->data_bytes > options_.window_bytes ||
          pending_.size() == kMaxApplyWindowFrames)
        DD_TRY(commit_window());
      DD_TRY(add(*std::move(frame)));
    }
    if (!is_surveyed_) DD_TRY(expect_end(source));
    DD_TRY(end_repeat());
    return commit_window();
  }

  // The target is what the delta ends in: remembered from now on.
  Status finish() {
    if (is_already_applied() && !may_advance()) return {};
    return store_.store(state_after(header_, state_));
  }

  ApplyReport report() const {
    return {
        .outcome = is_already_applied() ? ApplyOutcome::kAlreadyApplied : ApplyOutcome::kApplied,
        .header = header_,
        .was_resumed = resumed_.has_value(),
        .chunks_written = written_.data,
        .chunks_zeroed = written_.zero};
  }

 private:
  // A full delta that is forced overwrites whatever is there.
  bool is_compared() const { return !(header_.is_full() && is_forced_); }

  bool is_in_resumed_window(const DeltaFrame& frame) const {
    return resumed_ && frame.frame_nr >= resumed_->first_frame &&
           frame.frame_nr < resumed_->end_frame();
  }

  // Where an apply was interrupted, everything before its window is new, everything after it old.
  Expect expected(const DeltaFrame& frame) const {
    if (!resumed_) return Expect::kEither;
    return frame.frame_nr < resumed_->first_frame ? Expect::kAfter : Expect::kBefore;
  }

  Status compare(const DeltaFrame& frame) {
    frame_is_before_ = frame_is_after_ = true;
    if (!is_compared() || is_in_resumed_window(frame)) return {};
    const Expect expect = expected(frame);
    return present_.visit(frame, [&](const PresentChunk& chunk) -> Status {
      tally_.see(chunk, expect);
      frame_is_before_ &= chunk.is_before;
      frame_is_after_ &= chunk.is_after;
      return {};
    });
  }

  // That the content decodes to what its hashes say. A difference does so only where its base is
  // there; where it is gone, the frame was applied already.
  Status check_decodes(const DeltaFrame& frame) {
    const bool is_difference = frame.encoding == Encoding::kZstdDifference;
    if (is_in_resumed_window(frame)) {
      DD_TRY(repeated_content(frame));
    } else if (!is_difference || (frame_is_before_ && expected(frame) != Expect::kAfter)) {
      DD_TRY(decode(frame));
    }
    return {};
  }

  Result<std::vector<std::byte>> decode(const DeltaFrame& frame) {
    const auto prefix = DD_TRY(gather_prefix(header_, io_, frame));
    auto content = decoder_.decode(header_, frame, prefix);
    if (!content)
      return with_context(fmt::format("frame {} at byte {}", frame.frame_nr, frame.offset_bytes),
                          std::move(content).error());
    return content;
  }

  // ---- the window of an interrupted apply ----

  // Its content without looking at the target: from the delta, or, of differences, from the
  // journal.
  Result<std::vector<std::byte>> repeated_content(const DeltaFrame& frame) {
    if (frame.encoding != Encoding::kZstdDifference) return decode(frame);
    const auto* saved = resumed_->find_saved(frame.frame_nr);
    if (saved == nullptr)
      return fail(ErrorCode::kDamaged, "the apply journal lacks the content of a frame");
    DD_TRY(check_content(header_, frame, *saved));
    return *saved;
  }

  Status repeat(const DeltaFrame& frame) {
    if (is_in_resumed_window(frame)) {
      must_flush_ = true;
      return write_frame(io_, frame, DD_TRY(repeated_content(frame)), written_);
    }
    if (is_surveyed_) return {};
    DD_TRY(compare(frame));
    return tally_.check();
  }

  Status end_repeat() {
    if (!std::exchange(must_flush_, false)) return {};
    return target_.flush();
  }

  // ---- new windows ----

  Status add(DeltaFrame frame) {
    pending_bytes_ += frame.data_bytes;
    pending_.push_back({std::move(frame), {}});
    return {};
  }

  // Compares, decodes, records, writes, flushes: in this order (D1, D3).
  Status commit_window() {
    std::vector<DecodedFrame> frames;
    frames.swap(pending_);
    pending_bytes_ = 0;
    if (frames.empty()) return {};
    if (!is_surveyed_ && DD_TRY(is_window_done(frames))) return {};
    for (DecodedFrame& one : frames) one.content = DD_TRY(decode(one.frame));
    state_.window = make_window(header_.delta_uuid, frames, is_forced_);
    DD_TRY(store_.store(state_));
    for (const DecodedFrame& one : frames)
      DD_TRY(write_frame(io_, one.frame, one.content, written_));
    return target_.flush();
  }

  // From a pipe: whether the target holds the window already. A target that is neither old nor new
  // stops here, before the window is written.
  Result<bool> is_window_done(const std::vector<DecodedFrame>& frames) {
    bool is_done = is_compared() && !resumed_;
    for (const DecodedFrame& one : frames) {
      DD_TRY(compare(one.frame));
      is_done = is_done && frame_is_after_;
    }
    DD_TRY(tally_.check());
    return is_done;
  }

  // Whether "already applied" is the whole truth: a delta whose old and new content are the same
  // still moves the target on to its newer snapshot.
  bool may_advance() const {
    return tally_.is_all_before() && (!tally_.has_unproven() || is_base_proven_);
  }

  const DeltaHeader& header_;
  BlockDevice& target_;
  ChunkIo io_;
  PresentReader present_;
  ApplyState& store_;
  TargetState state_;
  const ApplyOptions& options_;
  const std::optional<ApplyWindow> resumed_;
  const bool is_forced_;
  const bool is_base_proven_;
  ApplyTally tally_;
  FrameDecoder decoder_;
  bool is_surveyed_ = false;
  bool must_flush_ = false;
  bool frame_is_before_ = true;  // of the frame compared last
  bool frame_is_after_ = true;
  std::vector<DecodedFrame> pending_;
  std::size_t pending_bytes_ = 0;
  WrittenChunks written_;
};

}  // namespace

Result<ApplyReport> apply_delta(ByteSource& source, BlockDevice& target, ApplyState& store,
                                const ApplyOptions& options) {
  DeltaReader reader = DD_TRY(DeltaReader::open(source));
  const DeltaHeader header = reader.header();
  DD_TRY(check_target_size(header, target));
  TargetState state = DD_TRY(store.load());
  DD_TRY(check_history(header, target, state, options.is_forced));

  Applier applier(header, target, store, std::move(state), options);
  if (source.can_rewind()) {
    DD_TRY(applier.survey(reader, source));
    if (!applier.is_already_applied()) {
      DD_TRY(source.rewind());
      DeltaReader again = DD_TRY(DeltaReader::open(source));
      if (again.header().delta_uuid != header.delta_uuid)
        return fail(ErrorCode::kFailed, fmt::format("{} changed while it was read", source.name()));
      DD_TRY(applier.write(again, source));
    }
  } else {
    DD_TRY(applier.write(reader, source));
  }
  ApplyReport report = applier.report();
  DD_TRY(applier.finish());
  return report;
}

}  // namespace ddsnap
