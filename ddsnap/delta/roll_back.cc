#include "ddsnap/delta/roll_back.h"

#include <algorithm>

#include "ddsnap/delta/apply_window.h"
#include "ddsnap/delta/frame_stages.h"
#include "ddsnap/delta/undo_file.h"

namespace ddsnap {

namespace {

FramePlan decode_only(const DeltaFrame&) {
  return {.is_compared = false, .decode = FramePlan::Decode::kYes};
}

// How many frames are whole; at least those that are wanted.
Result<std::uint64_t> count_frames(ByteSource& source, std::uint64_t wanted,
                                   const WorkContext& context) {
  DeltaReader reader = DD_TRY(DeltaReader::open(source));
  std::uint64_t frames = 0;
  const FrameStages stages{.plan = decode_only, .visit = [&](PipedFrame&) -> Status {
                             ++frames;
                             return {};
                           }};
  Status read = run_frames(reader, nullptr, stages, context);
  const bool is_cut = !read && read.error().code == ErrorCode::kDamaged;
  if (!read && (!is_cut || frames < wanted)) return std::unexpected(std::move(read).error());
  return frames;
}

class RollBack {
 public:
  RollBack(const DeltaHeader& header, BlockDevice& target, WorkContext& context)
      : target_(target), io_(target, header.to_geometry()), context_(context) {
    progress_.chunks_total = header.chunk_count;
    progress_.chunk_bytes = header.to_geometry().chunk_bytes();
  }

  // The first frames of the undo; what follows may be torn.
  Status write(DeltaReader& reader, std::uint64_t frames) {
    const FrameStages stages{.plan = decode_only, .visit = [&](PipedFrame& piped) -> Status {
                               if (piped.frame.frame_nr >= frames) return {};
                               return put(piped);
                             }};
    const Status read = run_frames(reader, &target_, stages, context_);
    if (!read && (seen_ < frames || read.error().code != ErrorCode::kDamaged)) return read;
    DD_TRY(write_pending());
    return target_.flush();
  }

  const WrittenChunks& written() const { return written_; }

 private:
  Status put(PipedFrame& piped) {
    DD_TRY(context_.rate_limit.take(piped.frame.data_bytes, context_.interruption));
    ++seen_;
    pending_bytes_ += piped.frame.data_bytes;
    for (const FrameEntry& entry : piped.frame.entries) progress_.chunks_done += entry.count;
    pending_.push_back({std::move(piped.frame), std::move(piped.buffer), true, false});
    if (pending_bytes_ >= kFrameGroupBytes) DD_TRY(write_pending());
    context_.report(progress_);
    return {};
  }

  Status write_pending() {
    DD_TRY(write_frames(io_, pending_, written_));
    pending_.clear();
    pending_bytes_ = 0;
    return {};
  }

  BlockDevice& target_;
  ChunkIo io_;
  WorkContext& context_;
  std::uint64_t seen_ = 0;
  std::vector<DecodedFrame> pending_;
  std::size_t pending_bytes_ = 0;
  WrittenChunks written_;
  WorkProgress progress_;
};

}  // namespace

bool is_roll_back(const DeltaHeader& header, const TargetState& state) {
  if (!state.window) return false;
  const ApplyWindow& window = *state.window;
  if (window.is_roll_back) return window.delta_uuid == header.delta_uuid;
  return window.has_undo && undo_uuid_of(window.delta_uuid) == header.delta_uuid;
}

Result<ApplyReport> roll_back(ByteSource& source, BlockDevice& target, ApplyState& store,
                              TargetState state, WorkContext& context) {
  if (!source.can_rewind())
    return fail(ErrorCode::kUsage,
                source.name() + " is the undo of an interrupted apply, which is taken from a file");
  DD_TRY(source.rewind());
  DeltaReader header_reader = DD_TRY(DeltaReader::open(source));
  const DeltaHeader& header = header_reader.header();
  const ApplyWindow& interrupted = *state.window;
  const std::uint64_t wanted =
      interrupted.is_roll_back ? interrupted.frame_count : interrupted.undo_frames;
  DD_TRY(source.rewind());
  const std::uint64_t frames = DD_TRY(count_frames(source, wanted, context));

  // From now on all of it is in doubt, and only the undo itself can end that.
  state.window = ApplyWindow{.delta_uuid = header.delta_uuid,
                             .frame_count = frames,
                             .first_chunk = interrupted.first_chunk,
                             .last_chunk = interrupted.last_chunk,
                             .is_roll_back = true};
  DD_TRY(store.store(state));
  DD_TRY(source.rewind());
  DeltaReader reader = DD_TRY(DeltaReader::open(source));
  RollBack run(header, target, context);
  DD_TRY(run.write(reader, frames));
  state.window.reset();
  DD_TRY(store.store(state));
  return ApplyReport{.outcome = ApplyOutcome::kRolledBack,
                     .header = header,
                     .chunks_written = run.written().data,
                     .chunks_zeroed = run.written().zero};
}

}  // namespace ddsnap
