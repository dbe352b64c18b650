#include "ddsnap/delta/apply_window.h"

#include <algorithm>

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

// What is to be written of one frame.
void plan_frame(ChunkIo& target, const DecodedFrame& one, std::span<const ChunkNr> chunks,
                std::vector<IoRequest>& batch) {
  const std::size_t chunk_bytes = target.geometry().chunk_bytes();
  for (const BlockRun& run : one.to_write()) {
    auto rest = part_of(one.content(), run);
    std::size_t at = run.offset_bytes();
    while (!rest.empty()) {
      const std::size_t in_chunk = at % chunk_bytes;
      const auto part = rest.first(std::min(rest.size(), chunk_bytes - in_chunk));
      target.plan_write_part(chunks[at / chunk_bytes], in_chunk, part, batch);
      at += part.size();
      rest = rest.subspan(part.size());
    }
  }
}

}  // namespace

std::vector<ChunkNr> data_chunks(const DeltaFrame& frame) {
  std::vector<ChunkNr> chunks;
  for (const FrameEntry& entry : frame.entries)
    if (entry.content == ContentKind::kData) chunks.push_back(entry.first);
  return chunks;
}

Status write_frames(ChunkIo& target, std::span<const DecodedFrame> frames, WrittenChunks& written) {
  std::vector<IoRequest> batch;
  std::vector<ChunkNr> last_chunks;
  const DecodedFrame* last = nullptr;  // of those with data: the volume may end in it
  for (const DecodedFrame& one : frames) {
    auto chunks = data_chunks(one.frame);
    if (chunks.empty()) continue;
    plan_frame(target, one, chunks, batch);
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
    ApplyWindow::SavedContent saved{.frame_nr = one.frame.frame_nr, .parts = {}};
    for (const BlockRun& run : one.to_write())
      saved.parts.push_back({run, part_of(one.content(), run)});
    window.saved.push_back(std::move(saved));
  }
  return window;
}

ApplyWindow join_windows(const ApplyWindow& first, const ApplyWindow& second) {
  ApplyWindow both = second;
  both.first_frame = first.first_frame;
  both.frame_count = first.frame_count + second.frame_count;
  both.first_chunk = first.first_chunk;
  both.saved = first.saved;
  both.saved.insert(both.saved.end(), second.saved.begin(), second.saved.end());
  return both;
}

std::uint64_t saved_bytes(const ApplyWindow& window) {
  std::uint64_t bytes = 0;
  for (const ApplyWindow::SavedContent& saved : window.saved)
    for (const ApplyWindow::SavedPart& part : saved.parts) bytes += part.content.size();
  return bytes;
}

}  // namespace ddsnap
