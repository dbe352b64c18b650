#include "ddsnap/delta/apply_window.h"

namespace ddsnap {

namespace {

// Zero chunks of the frame, adjacent entries joined.
std::vector<ChunkRange> zero_ranges(const DeltaFrame& frame) {
  std::vector<ChunkRange> ranges;
  for (const FrameEntry& entry : frame.entries) {
    if (entry.content != ContentKind::kZero) continue;
    if (!ranges.empty() && ranges.back().end() == entry.first.value) {
      ranges.back().count += entry.count;
    } else {
      ranges.push_back({entry.first, entry.count});
    }
  }
  return ranges;
}

}  // namespace

Status write_frame(ChunkIo& target, const DeltaFrame& frame, std::span<const std::byte> content,
                   WrittenChunks& written) {
  std::vector<ChunkNr> chunks;
  for (const FrameEntry& entry : frame.entries)
    if (entry.content == ContentKind::kData) chunks.push_back(entry.first);
  DD_TRY(target.write(chunks, content));
  written.data += chunks.size();
  for (const ChunkRange& range : zero_ranges(frame)) {
    DD_TRY(target.zero(range));
    written.zero += range.count;
  }
  return {};
}

ApplyWindow make_window(const Uuid& delta_uuid, std::vector<DecodedFrame>& frames, bool is_forced) {
  ApplyWindow window;
  window.delta_uuid = delta_uuid;
  window.first_frame = frames.front().frame.frame_nr;
  window.frame_count = frames.size();
  window.first_chunk = frames.front().frame.entries.front().first;
  window.last_chunk = {static_cast<std::uint32_t>(frames.back().frame.entries.back().end() - 1)};
  window.is_forced = is_forced;
  for (const DecodedFrame& one : frames)
    if (one.frame.encoding == Encoding::kZstdDifference)
      window.saved.push_back({one.frame.frame_nr, one.content});
  return window;
}

}  // namespace ddsnap
