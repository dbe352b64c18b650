#include "ddsnap/delta/verify.h"

#include <functional>

#include "ddsnap/base/limits.h"
#include "ddsnap/delta/apply_rules.h"
#include "ddsnap/delta/chunk_io.h"
#include "ddsnap/delta/delta_reader.h"
#include "ddsnap/delta/present.h"

namespace ddsnap {

namespace {

using FrameVisitor = std::function<Status(const DeltaFrame&)>;

void note_frame(DeltaFacts& facts, const DeltaFrame& frame) {
  ++facts.frames_by_encoding[static_cast<std::size_t>(frame.encoding)];
  for (const FrameEntry& entry : frame.entries)
    if (entry.before_kind == BeforeKind::kUnknown) facts.unknown_chunks += entry.count;
}

Result<DeltaFacts> read_all(DeltaReader& reader, ByteSource& source, const FrameVisitor& visitor) {
  DeltaFacts facts;
  facts.header = reader.header();
  FrameDecoder decoder;
  while (const auto frame = DD_TRY(reader.next())) {
    note_frame(facts, *frame);
    if (frame->encoding == Encoding::kZstdDifference) {
      ++facts.undecoded_frames;
    } else {
      DD_TRY(decoder.decode(facts.header, *frame, {}));
    }
    DD_TRY(visitor(*frame));
  }
  DD_TRY(expect_end(source));
  facts.trailer = reader.trailer();
  return facts;
}

void note_chunk(ChunkTally& tally, ChunkNr chunk) {
  ++tally.chunks;
  if (!tally.ranges.empty() && tally.ranges.back().end() == chunk.value) {
    ++tally.ranges.back().count;
  } else if (tally.ranges.size() < kMaxReportedRanges) {
    tally.ranges.push_back({chunk, 1});
  }
}

void note_present(FitReport& report, const PresentChunk& present) {
  if (present.is_before && present.is_after) note_chunk(report.unchanged, present.chunk);
  if (present.is_before && !present.is_after) note_chunk(report.before, present.chunk);
  if (!present.is_before && present.is_after) note_chunk(report.after, present.chunk);
  if (!present.is_before && !present.is_after) note_chunk(report.foreign, present.chunk);
  if (present.is_before && present.is_unproven) note_chunk(report.unproven, present.chunk);
}

Fit judge(const FitReport& report) {
  if (report.foreign.chunks > 0) return Fit::kForeign;
  const std::uint64_t unchanged = report.unchanged.chunks;
  if (report.before.chunks == 0 && report.after.chunks + unchanged > 0) return Fit::kAlreadyApplied;
  return report.after.chunks > 0 ? Fit::kPartlyApplied : Fit::kFits;
}

}  // namespace

const char* name_of(Fit fit) {
  constexpr const char* kNames[] = {"fits", "already applied", "partly applied", "foreign"};
  return kNames[static_cast<std::size_t>(fit)];
}

Result<DeltaFacts> verify_delta(ByteSource& source) {
  DeltaReader reader = DD_TRY(DeltaReader::open(source));
  return read_all(reader, source, [](const DeltaFrame&) -> Status { return {}; });
}

Result<FitReport> verify_delta_against(ByteSource& source, BlockDevice& device,
                                       const TargetState& state) {
  DeltaReader reader = DD_TRY(DeltaReader::open(source));
  const DeltaHeader header = reader.header();
  DD_TRY(check_target_size(header, device));
  FitReport report;
  report.is_base_proven = is_base_proven(header, state);
  report.is_interrupted = state.window && state.window->delta_uuid == header.delta_uuid;

  PresentReader present(device, header);
  report.delta = DD_TRY(read_all(reader, source, [&](const DeltaFrame& frame) {
    return present.visit(frame, [&](const PresentChunk& chunk) -> Status {
      note_present(report, chunk);
      return {};
    });
  }));
  report.fit = judge(report);
  return report;
}

}  // namespace ddsnap
