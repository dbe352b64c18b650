#include "ddsnap/replica/window_apply.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "ddsnap/base/limits.h"
#include "ddsnap/delta/delta_reader.h"

namespace ddsnap {

namespace {

DeltaHeader header_for_samples(const StartSession& start) {
  DeltaHeader header;
  header.chunk_shift = start.chunk_shift;
  header.from_bytes = header.to_bytes = start.to_bytes;
  return header;
}

}  // namespace

WindowApply::WindowApply(SessionTarget& target, BlockDevice& device, const StartSession& start,
                         const CutTransfer& cut, WorkContext& context)
    : target_(target),
      start_(start),
      context_(context),
      io_(device, {start.chunk_shift, start.to_bytes}),
      doubt_end_(cut.doubt_end),
      taken_(cut.next),
      cut_(cut),
      sample_header_(header_for_samples(start)),
      samples_(sample_header_) {}

Status WindowApply::check_header(const DeltaHeader& header) const {
  const bool fits = header.from_uuid == start_.from && header.to_uuid == start_.to &&
                    header.from_bytes == start_.to_bytes && header.to_bytes == start_.to_bytes &&
                    header.chunk_shift == start_.chunk_shift && !header.is_long() &&
                    header.chunk_count <= start_.window_chunks;
  if (fits) return {};
  return fail(ErrorCode::kDamaged, "a window is not of the transfer that was begun");
}

FramePlan WindowApply::plan(const DeltaFrame& frame) const {
  // What was hashed a moment ago need not be read again; what is in doubt must not be.
  const bool is_in_doubt = frame.entries.front().first.value < doubt_end_;
  return {.is_compared = !start_.is_resync && !is_in_doubt, .decode = FramePlan::Decode::kYes};
}

Status WindowApply::take(PipedFrame& piped, std::vector<DecodedFrame>& frames) {
  const DeltaFrame& frame = piped.frame;
  if (frame.encoding == Encoding::kZstdDifference)
    return fail(ErrorCode::kDamaged, "a window holds differences");
  if (frame.entries.front().first.value < taken_)
    return fail(ErrorCode::kDamaged, "a window goes back behind what was reached");
  for (const FrameEntry& entry : frame.entries) window_chunks_ += entry.count;
  if (window_chunks_ > start_.window_chunks)
    return fail(ErrorCode::kDamaged, "a window holds more than it may");
  for (const PresentRun& run : piped.present)
    if (!run.is_before && !run.is_after && !run.is_unproven)
      return fail(ErrorCode::kFailed,
                  fmt::format("{}: chunks {} to {} are neither as in '{}' nor as in '{}': somebody "
                              "wrote them; --resync compares all of it and sends what differs",
                              target_.name(), run.chunks.first.value, run.chunks.end() - 1,
                              start_.from_tag, start_.to_tag));
  samples_.see(frame);
  for (const FrameEntry& entry : frame.entries)
    named_.add({std::uint64_t{entry.first.value} << start_.chunk_shift,
                std::uint64_t{entry.count} << start_.chunk_shift});
  frames.push_back({std::move(piped.frame), std::move(piped.buffer), piped.is_decoded,
                    !piped.present.empty() && piped.is_after});
  piped.buffer = {};
  return {};
}

Status WindowApply::apply(WindowSource& source) {
  auto reader = DD_TRY(DeltaReader::open(source));
  DD_TRY(check_header(reader.header()));
  std::vector<DecodedFrame> frames;
  window_chunks_ = 0;
  const FrameStages stages{
      .plan = [this](const DeltaFrame& frame) { return plan(frame); },
      .visit = [&](PipedFrame& piped) { return take(piped, frames); },
  };
  DD_TRY(run_frames(reader, &io_.device(), stages, context_));
  DD_TRY(expect_end(source));
  DD_TRY(finish());
  return begin_writing(std::move(frames));
}

Status WindowApply::begin_writing(std::vector<DecodedFrame> frames) {
  if (!frames.empty()) taken_ = frames.back().frame.entries.back().end();
  cut_.doubt_end = std::max(cut_.doubt_end, taken_);
  const bool is_written_already = std::ranges::all_of(frames, &DecodedFrame::is_after);
  if (!is_written_already) {
    DD_TRY(target_.note(cut_));
    has_noted_ = true;
  }
  writing_ = std::move(frames);
  const auto write_and_flush = [this, is_written_already]() -> Status {
    if (!is_written_already) DD_TRY(write_frames(io_, writing_, written_));
    return io_.device().flush();
  };
  const auto how = context_.workers == 0 ? std::launch::deferred : std::launch::async;
  written_window_ = std::async(how, write_and_flush);
  return {};
}

Status WindowApply::finish() {
  if (!written_window_.valid()) return {};
  DD_TRY(written_window_.get());
  cut_.next = taken_;
  ++windows_;
  writing_.clear();
  return {};
}

void WindowApply::remember() {
  (void)finish();
  if (!has_noted_) return;
  (void)target_.note(cut_);
}

}  // namespace ddsnap
