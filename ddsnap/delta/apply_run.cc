#include "ddsnap/delta/apply_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "ddsnap/delta/apply_rules.h"
#include "ddsnap/delta/undo_file.h"

namespace ddsnap {

namespace {

std::optional<ApplyWindow> window_of(const DeltaHeader& header, const TargetState& state) {
  if (state.window && state.window->delta_uuid == header.delta_uuid) return state.window;
  return std::nullopt;
}

std::uint64_t count_chunks(const DeltaFrame& frame) {
  std::uint64_t count = 0;
  for (const FrameEntry& entry : frame.entries) count += entry.count;
  return count;
}

}  // namespace

ApplyRun::ApplyRun(const DeltaHeader& header, const Place& place, TargetState state,
                   const ApplyOptions& options, WorkContext& context)
    : header_(header),
      target_(place.target),
      io_(place.target, header.to_geometry()),
      store_(place.store),
      state_(std::move(state)),
      options_(options),
      context_(context),
      resumed_(window_of(header, state_)),
      is_forced_(options.is_forced || (resumed_ && resumed_->is_forced)),
      is_base_proven_(is_base_proven(header, state_)),
      window_bytes_(std::min(options.window_bytes, context.memory_bytes / 8)),
      next_window_bytes_(std::max(window_bytes_ / kFirstWindowPart, std::size_t{1})),
      tally_({place.target.name(), header.is_full(), is_base_proven_ || is_forced_}),
      samples_(header),
      writer_(io_, context.workers > 0) {
  progress_.chunks_total = header.chunk_count;
  progress_.chunk_bytes = header.to_geometry().chunk_bytes();
}

bool ApplyRun::is_in_resumed_window(std::uint64_t frame_nr) const {
  return resumed_ && frame_nr >= resumed_->first_frame && frame_nr < resumed_->end_frame();
}

bool ApplyRun::is_done_before(std::uint64_t frame_nr) const {
  return resumed_ && frame_nr < resumed_->first_frame;
}

// Where an apply was interrupted, everything before its window is new, everything after it old.
ApplyRun::Expect ApplyRun::expected(std::uint64_t frame_nr) const {
  if (!resumed_) return Expect::kEither;
  return is_done_before(frame_nr) ? Expect::kAfter : Expect::kBefore;
}

// ---- what is done with a frame ----

FramePlan ApplyRun::plan_survey(const DeltaFrame& frame) const {
  using Decode = FramePlan::Decode;
  if (is_in_resumed_window(frame.frame_nr)) {
    const bool is_saved = frame.encoding == Encoding::kZstdDifference;
    return {.is_compared = false,
            .decode = is_saved ? Decode::kNo : Decode::kYes,
            .is_for_writing = true};
  }
  if (is_done_before(frame.frame_nr)) return {.is_compared = is_compared(), .decode = Decode::kNo};
  // A difference decodes only where its base is there; where it is gone, it was applied already.
  return {.is_compared = is_compared(),
          .decode = is_compared() ? Decode::kWhereBefore : Decode::kYes,
          .is_for_writing = true};
}

FramePlan ApplyRun::plan_write(const DeltaFrame& frame) const {
  if (!is_surveyed_) return plan_survey(frame);
  if (is_done_before(frame.frame_nr) || frame.frame_nr < kept_end_) return {};
  FramePlan plan = plan_survey(frame);
  plan.is_compared = false;
  return plan;
}

// ---- looking ----

Status ApplyRun::survey(DeltaReader& reader, ByteSource& source) {
  const FrameStages stages{.plan = [this](const DeltaFrame& frame) { return plan_survey(frame); },
                           .visit = [this](PipedFrame& piped) -> Status {
                             DD_TRY(note(piped));
                             if (tally_.is_wrong() && !tally_.is_range_open())
                               return tally_.check();
                             DD_TRY(use_saved(piped));
                             return keep(piped);
                           }};
  DD_TRY(run_frames(reader, &target_, stages, context_));
  DD_TRY(tally_.check());
  DD_TRY(expect_end(source));
  is_surveyed_ = true;
  return {};
}

Status ApplyRun::note(const PipedFrame& piped) {
  const Expect expect = expected(piped.frame.frame_nr);
  for (const PresentRun& run : piped.present) tally_.see(run, expect);
  samples_.see(piped.frame);
  if (options_.on_frame) options_.on_frame(piped.frame);
  return {};
}

// The content of a difference in the window of an interrupted apply: what it was about to write,
// and around that what the target holds, which is not touched.
Status ApplyRun::use_saved(PipedFrame& piped) {
  const DeltaFrame& frame = piped.frame;
  if (!is_in_resumed_window(frame.frame_nr) || frame.encoding != Encoding::kZstdDifference)
    return {};
  const auto* const saved = resumed_->find_saved(frame.frame_nr);
  if (saved == nullptr)
    return fail(ErrorCode::kDamaged, "the apply journal lacks the content of a frame");
  piped.buffer = AlignedBuffer(frame.data_bytes);
  DD_TRY(io_.read(data_chunks(frame), piped.buffer.span()));
  piped.changed.emplace();
  for (const ApplyWindow::SavedPart& part : saved->parts) {
    if (part.run.end() * kChangedBlockBytes > frame.data_bytes)
      return fail(ErrorCode::kDamaged, "the apply journal has more content than a frame");
    std::ranges::copy(part.content, piped.buffer.data() + part.run.offset_bytes());
    piped.changed->push_back(part.run);
  }
  if (!check_content(header_, frame, piped.content()))
    return fail(
        ErrorCode::kFailed,
        fmt::format("{}: chunks {} to {} changed since this delta was begun", target_.name(),
                    frame.entries.front().first.value, frame.entries.back().end() - 1));
  piped.is_decoded = true;
  return {};
}

// The windows are made of what is kept. A long frame leaves less room for others in flight.
std::size_t ApplyRun::kept_limit_bytes() const {
  return context_.memory_bytes / 8 * (header_.frame_data_bytes > kMaxFrameDataBytes ? 3 : 5);
}

Status ApplyRun::keep(PipedFrame& piped) {
  const std::uint64_t frame_nr = piped.frame.frame_nr;
  if (is_done_before(frame_nr)) {
    kept_end_ = frame_nr + 1;
    skip(piped.frame);
    return {};
  }
  const std::size_t bytes = piped.buffer.size() + piped.frame.entries.size() * sizeof(FrameEntry);
  const bool is_whole = piped.is_decoded || piped.frame.data_bytes == 0;
  is_keeping_ =
      is_keeping_ && is_whole && !options_.is_dry_run && kept_bytes_ + bytes <= kept_limit_bytes();
  if (!is_keeping_) return {};
  kept_bytes_ += bytes;
  kept_end_ = frame_nr + 1;
  kept_.push_back({std::move(piped.frame), std::move(piped.buffer), true, piped.is_after,
                   std::move(piped.changed)});
  return {};
}

// ---- writing ----

Status ApplyRun::write(DeltaReader& reader, ByteSource& source) {
  const FrameStages stages{.plan = [this](const DeltaFrame& frame) { return plan_write(frame); },
                           .visit = [this](PipedFrame& piped) { return write_piped(piped); }};
  DD_TRY(run_frames(reader, &target_, stages, context_));
  if (!is_surveyed_) DD_TRY(expect_end(source));
  DD_TRY(commit());
  return finish_writing();
}

Status ApplyRun::write_piped(PipedFrame& piped) {
  const std::uint64_t frame_nr = piped.frame.frame_nr;
  if (!is_surveyed_) DD_TRY(note(piped));
  if (is_done_before(frame_nr)) {
    if (!is_surveyed_) skip(piped.frame);
    return tally_.check();
  }
  if (frame_nr < kept_end_) {
    DecodedFrame kept = std::move(kept_.front());
    kept_.pop_front();
    return put(std::move(kept));
  }
  DD_TRY(use_saved(piped));
  DecodedFrame decoded{std::move(piped.frame), std::move(piped.buffer), piped.is_decoded,
                       piped.is_after, std::move(piped.changed)};
  piped.buffer = take_spare();
  return put(std::move(decoded));
}

Status ApplyRun::write_kept() {
  while (!kept_.empty()) {
    DD_TRY(context_.interruption.check());
    DecodedFrame kept = std::move(kept_.front());
    kept_.pop_front();
    DD_TRY(put(std::move(kept)));
  }
  DD_TRY(commit());
  return finish_writing();
}

void ApplyRun::skip(const DeltaFrame& frame) {
  const std::uint64_t chunks = count_chunks(frame);
  done_before_ += chunks;
  report_progress(chunks, frame);
}

Status ApplyRun::put(DecodedFrame decoded) {
  DD_TRY(context_.rate_limit.take(decoded.frame.data_bytes, context_.interruption));
  const bool is_repeated = is_in_resumed_window(decoded.frame.frame_nr);
  const bool is_full = pending_bytes_ + decoded.frame.data_bytes > next_window_bytes_ ||
                       pending_.size() == kMaxApplyWindowFrames;
  if (!pending_.empty() &&
      (is_full || is_in_resumed_window(pending_.front().frame.frame_nr) != is_repeated))
    DD_TRY(commit());
  pending_bytes_ += decoded.frame.data_bytes;
  pending_.push_back(std::move(decoded));
  return {};
}

Status ApplyRun::commit() {
  if (pending_.empty()) return {};
  if (!is_in_resumed_window(pending_.front().frame.frame_nr)) return commit_new_window();
  DD_TRY(finish_writing());
  DD_TRY(start_writing(make_window(header_.delta_uuid, pending_)));
  return finish_writing();
}

// Compared and decoded it is; undo, record, write, flush: in this order (D1, D3). The undo and the
// record are made while the window before is on its way to the target. Either the record names both
// windows, or it takes its name only after the first is durable there.
Status ApplyRun::commit_new_window() {
  if (!is_surveyed_ && DD_TRY(is_window_done())) {
    DD_TRY(finish_writing());
    for (DecodedFrame& one : pending_) let_go(one);
    pending_.clear();
    pending_bytes_ = 0;
    return {};
  }
  for (const DecodedFrame& one : pending_)
    if (!one.is_decoded && one.frame.data_bytes > 0)
      return fail(ErrorCode::kFailed,
                  fmt::format("{} changed while the delta was applied", target_.name()));
  if (options_.undo != nullptr) DD_TRY(options_.undo->save(pending_, context_));
  DD_TRY(finish_writing(kMaxWindowsInDoubt - 1));
  const ApplyWindow window = make_window(header_.delta_uuid, pending_);
  const bool may_leave = may_leave_under_way();
  const auto before = writer_.record();
  state_.window = may_leave && before ? join_windows(*before, window) : window;
  state_.window->is_forced = is_forced_;
  state_.window->has_undo = options_.undo != nullptr;
  if (options_.undo != nullptr) state_.window->undo_frames = options_.undo->frames();
  DD_TRY(store_.store(state_, [&] { return may_leave ? Status{} : finish_writing(); }));
  state_.window->saved.clear();  // they borrow what is about to be used again
  return start_writing(window);
}

// Where a record would have little to save once more. Of long frames there is memory for one.
bool ApplyRun::may_leave_under_way() const {
  if (header_.frame_data_bytes > kMaxFrameDataBytes) return false;
  const auto before = writer_.record();
  return !before || saved_bytes(*before) <= kMaxSavedTwiceBytes;
}

Status ApplyRun::start_writing(ApplyWindow record) {
  pending_bytes_ = 0;
  next_window_bytes_ = std::min(2 * next_window_bytes_, window_bytes_);
  return writer_.start(std::exchange(pending_, {}), std::move(record));
}

// Waits until all but so many windows are durable on the target.
Status ApplyRun::finish_writing(std::size_t most_under_way) {
  return writer_.finish(most_under_way, [this](DecodedFrame& one) { let_go(one); });
}

void ApplyRun::let_go(DecodedFrame& one) {
  report_progress(count_chunks(one.frame), one.frame);
  spare_.push_back(std::move(one.buffer));
}

// From a pipe: whether the target holds the window already. A target that is neither old nor new
// stops here, before the window is written.
Result<bool> ApplyRun::is_window_done() {
  DD_TRY(tally_.check());
  return is_compared() && !resumed_ && std::ranges::all_of(pending_, &DecodedFrame::is_after);
}

AlignedBuffer ApplyRun::take_spare() {
  if (spare_.empty()) return {};
  AlignedBuffer buffer = std::move(spare_.back());
  spare_.pop_back();
  return buffer;
}

void ApplyRun::report_progress(std::uint64_t chunks, const DeltaFrame& frame) {
  progress_.chunks_done += chunks;
  progress_.address_bytes = frame.entries.back().end() << header_.chunk_shift;
  context_.report(progress_);
}

// ---- the end ----

bool ApplyRun::is_already_applied() const {
  return !resumed_ && is_compared() && header_.chunk_count > 0 && tally_.is_all_after() &&
         writer_.written().data + writer_.written().zero == 0;
}

// Whether "already applied" is the whole truth: a delta whose old and new content are the same
// still moves the target on to its newer snapshot.
bool ApplyRun::may_advance() const {
  return tally_.is_all_before() && (!tally_.has_unproven() || is_base_proven_);
}

Status ApplyRun::finish() {
  progress_.chunks_total = progress_.chunks_done;  // a trimmed delta announces more than it has
  context_.report(progress_);
  if (is_already_applied() && !may_advance()) return {};
  if (options_.undo != nullptr) DD_TRY(options_.undo->finish(context_));
  TargetState after = state_after(header_, state_);
  TargetSamples samples = samples_.take();
  if (!samples.chunks.empty()) after.samples = std::move(samples);
  return store_.store(after);
}

ApplyReport ApplyRun::report() const {
  ApplyOutcome outcome = options_.is_dry_run ? ApplyOutcome::kWouldApply : ApplyOutcome::kApplied;
  if (is_already_applied()) outcome = ApplyOutcome::kAlreadyApplied;
  return {.outcome = outcome,
          .header = header_,
          .was_resumed = resumed_.has_value(),
          .chunks_written = writer_.written().data,
          .chunks_zeroed = writer_.written().zero,
          .chunks_done_before = done_before_};
}

}  // namespace ddsnap
