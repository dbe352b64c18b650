#include "ddsnap/delta/apply_window.h"

namespace ddsnap {

namespace {

// Zero chunks of the frames, adjacent entries joined.
std::vector<ChunkRange> zero_ranges(std::span<const DecodedFrame> frames) {
  std::vector<ChunkRange> ranges;
  for (const DecodedFrame& one : frames) {
    for (const FrameEntry& entry : one.frame.entries) {
      if (entry.content != ContentKind::kZero) continue;
      const bool is_adjacent = !ranges.empty() && ranges.back().end() == entry.first.value;
      if (is_adjacent && ranges.back().count <= UINT32_MAX - entry.count) {
        ranges.back().count += entry.count;
      } else {
        ranges.push_back({entry.first, entry.count});
      }
    }
  }
  return ranges;
}

std::vector<ChunkNr> data_chunks(const DeltaFrame& frame) {
  std::vector<ChunkNr> chunks;
  for (const FrameEntry& entry : frame.entries)
    if (entry.content == ContentKind::kData) chunks.push_back(entry.first);
  return chunks;
}

}  // namespace

Status write_frames(ChunkIo& target, std::span<const DecodedFrame> frames, WrittenChunks& written) {
  std::vector<IoRequest> batch;
  std::vector<ChunkNr> last_chunks;
  const DecodedFrame* last = nullptr;  // of those with data: the volume may end in it
  for (const DecodedFrame& one : frames) {
    auto chunks = data_chunks(one.frame);
    if (chunks.empty()) continue;
    target.plan_write(chunks, one.content(), batch);
    written.data += chunks.size();
    last_chunks = std::move(chunks);
    last = &one;
  }
  if (!batch.empty()) DD_TRY(target.device().run(batch));
  if (last != nullptr) DD_TRY(target.finish_write(last_chunks, last->content()));
  for (const ChunkRange& range : zero_ranges(frames)) {
    DD_TRY(target.zero(range));
    written.zero += range.count;
  }
  return {};
}

ApplyWindow make_window(const Uuid& delta_uuid, std::span<const DecodedFrame> frames) {
  ApplyWindow window;
  window.delta_uuid = delta_uuid;
  window.first_frame = frames.front().frame.frame_nr;
  window.frame_count = frames.size();
  window.first_chunk = frames.front().frame.entries.front().first;
  window.last_chunk = {static_cast<std::uint32_t>(frames.back().frame.entries.back().end() - 1)};
  for (const DecodedFrame& one : frames) {
    if (one.frame.encoding != Encoding::kZstdDifference) continue;
    window.saved.push_back({one.frame.frame_nr, one.content()});
  }
  return window;
}

}  // namespace ddsnap
