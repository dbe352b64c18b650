#include "ddsnap/delta/verify.h"

#include <functional>

#include "ddsnap/base/limits.h"
#include "ddsnap/delta/apply_rules.h"
#include "ddsnap/delta/delta_reader.h"
#include "ddsnap/delta/frame_stages.h"

namespace ddsnap {

namespace {

void note_frame(DeltaFacts& facts, const PipedFrame& piped) {
  const DeltaFrame& frame = piped.frame;
  ++facts.frames_by_encoding[static_cast<std::size_t>(frame.encoding)];
  if (frame.data_bytes > 0 && !piped.is_decoded) ++facts.undecoded_frames;
  for (const FrameEntry& entry : frame.entries)
    if (entry.before_kind == BeforeKind::kUnknown) facts.unknown_chunks += entry.count;
}

// What is done with frames beside reading them.
struct Looking {
  std::function<bool(const DeltaFrame&)> is_compared;
  std::function<void(const PipedFrame&)> note;
};

// `device` may be null; then differences are not decoded.
Result<DeltaFacts> read_all(DeltaReader& reader, ByteSource& source, BlockDevice* device,
                            const Looking& looking, const WorkContext& context) {
  using Decode = FramePlan::Decode;
  DeltaFacts facts;
  facts.header = reader.header();
  const FrameStages stages{.plan = [&](const DeltaFrame& frame) -> FramePlan {
                             if (looking.is_compared(frame))
                               return {.is_compared = true, .decode = Decode::kWhereBefore};
                             const bool is_difference = frame.encoding == Encoding::kZstdDifference;
                             return {.is_compared = false,
                                     .decode = is_difference ? Decode::kNo : Decode::kYes};
                           },
                           .visit = [&](PipedFrame& piped) -> Status {
                             note_frame(facts, piped);
                             looking.note(piped);
                             return {};
                           }};
  DD_TRY(run_frames(reader, device, stages, context));
  DD_TRY(expect_end(source));
  facts.trailer = reader.trailer();
  return facts;
}

void note_run(ChunkTally& tally, ChunkRange chunks) {
  tally.chunks += chunks.count;
  if (!tally.ranges.empty() && tally.ranges.back().end() == chunks.first.value) {
    tally.ranges.back().count += chunks.count;
  } else if (tally.ranges.size() < kMaxReportedRanges) {
    tally.ranges.push_back(chunks);
  }
}

void note_present(FitReport& report, const PresentRun& present) {
  if (present.is_before && present.is_after) note_run(report.unchanged, present.chunks);
  if (present.is_before && !present.is_after) note_run(report.before, present.chunks);
  if (!present.is_before && present.is_after) note_run(report.after, present.chunks);
  if (!present.is_before && !present.is_after) note_run(report.foreign, present.chunks);
  if (present.is_before && present.is_unproven) note_run(report.unproven, present.chunks);
}

Fit judge(const FitReport& report) {
  if (report.foreign.chunks > 0) return Fit::kForeign;
  const std::uint64_t unchanged = report.unchanged.chunks;
  const bool has_begun = report.after.chunks > 0 || report.is_interrupted;
  if (report.before.chunks == 0 && !report.is_interrupted && report.after.chunks + unchanged > 0)
    return Fit::kAlreadyApplied;
  return has_begun ? Fit::kPartlyApplied : Fit::kFits;
}

}  // namespace

const char* name_of(Fit fit) {
  constexpr const char* kNames[] = {"fits", "already applied", "partly applied", "foreign"};
  return kNames[static_cast<std::size_t>(fit)];
}

Result<DeltaFacts> verify_delta(ByteSource& source, const WorkContext& context) {
  DeltaReader reader = DD_TRY(DeltaReader::open(source));
  const Looking looking{.is_compared = [](const DeltaFrame&) { return false; },
                        .note = [](const PipedFrame&) {}};
  return read_all(reader, source, nullptr, looking, context);
}

Result<FitReport> verify_delta_against(ByteSource& source, BlockDevice& device, TargetState state,
                                       const WorkContext& context) {
  DeltaReader reader = DD_TRY(DeltaReader::open(source));
  const DeltaHeader header = reader.header();
  DD_TRY(check_target_size(header, device));
  FitReport report;
  report.was_replaced = DD_TRY(forget_what_is_gone(device, state));
  report.is_base_proven = is_base_proven(header, state);
  report.is_interrupted = state.window && state.window->delta_uuid == header.delta_uuid;
  if (const Status history = check_history(header, device, state, false); !history)
    report.history = history.error().text;

  const auto is_in_doubt = [&](const DeltaFrame& frame) {
    return report.is_interrupted && frame.frame_nr >= state.window->first_frame &&
           frame.frame_nr < state.window->end_frame();
  };
  const Looking looking{.is_compared = [&](const DeltaFrame& frame) { return !is_in_doubt(frame); },
                        .note =
                            [&](const PipedFrame& piped) {
                              for (const PresentRun& run : piped.present) note_present(report, run);
                              if (!is_in_doubt(piped.frame)) return;
                              for (const FrameEntry& entry : piped.frame.entries)
                                note_run(report.in_doubt, {entry.first, entry.count});
                            }};
  report.delta = DD_TRY(read_all(reader, source, &device, looking, context));
  report.fit = judge(report);
  return report;
}

}  // namespace ddsnap
