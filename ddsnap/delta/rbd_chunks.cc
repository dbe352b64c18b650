#include "ddsnap/delta/rbd_chunks.h"

#include <algorithm>

namespace ddsnap {

bool RbdChunk::is_whole(const ChunkGeometry& geometry) const {
  if (is_zero) return true;
  std::uint64_t known_bytes = 0;
  for (const ByteRange& range : known) known_bytes += range.length_bytes;
  return known_bytes == geometry.bytes_of(chunks.first).length_bytes;
}

Result<const RbdChunk*> RbdChunks::next() {
  DD_TRY(load());
  if (!record_) return nullptr;
  const std::uint64_t start = record_->range.offset_bytes;
  const std::uint64_t end = record_->range.end_bytes();
  chunk_.known.clear();
  chunk_.chunks = {geometry_.chunk_at(start), 1};
  const std::uint64_t first = start >> geometry_.chunk_shift;
  const std::uint64_t end_chunk =
      end == geometry_.volume_bytes ? geometry_.chunk_count() : end >> geometry_.chunk_shift;
  chunk_.is_zero = record_->is_zero && start % geometry_.chunk_bytes() == 0 && end_chunk > first;
  if (chunk_.is_zero) {
    chunk_.chunks.count =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(end_chunk - first, UINT32_MAX));
    const std::uint64_t done =
        std::min(chunk_.chunks.end() << geometry_.chunk_shift, geometry_.volume_bytes);
    record_->range = {done, end - done};
    return &chunk_;
  }
  chunk_.bytes.assign(geometry_.chunk_bytes(), std::byte{0});
  while (record_ && geometry_.chunk_at(record_->range.offset_bytes) == chunk_.chunks.first) {
    DD_TRY(take_part());
    DD_TRY(load());
  }
  return &chunk_;
}

// Sees to it that record_ has something left, unless the stream is at its end.
Status RbdChunks::load() {
  if (is_at_end_ || (record_ && record_->range.length_bytes > 0)) return {};
  record_ = DD_TRY(reader_.next());
  is_at_end_ = !record_;
  return {};
}

Status RbdChunks::take_part() {
  ByteRange& left = record_->range;
  const ByteRange whole = geometry_.bytes_of(chunk_.chunks.first);
  const std::uint64_t length = std::min(left.length_bytes, whole.end_bytes() - left.offset_bytes);
  const std::uint64_t at = left.offset_bytes - whole.offset_bytes;
  if (!record_->is_zero) DD_TRY(reader_.read_data(std::span(chunk_.bytes).subspan(at, length)));
  chunk_.known.push_back({at, length});
  left = {left.offset_bytes + length, left.length_bytes - length};
  return {};
}

}  // namespace ddsnap
