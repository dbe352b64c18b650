#include "ddsnap/delta/hole_map.h"

#include <algorithm>

namespace ddsnap {

namespace {

constexpr std::uint64_t kWorthAskingBytes = 16u << 20;

}  // namespace

Status HoleMap::ask(ByteRange range) {
  range.length_bytes = std::min(range.length_bytes, window_bytes_);
  extents_ = DD_TRY(device_.extents(range));
  // Where all is one, the file system looked for its end far beyond the window; not too often.
  window_bytes_ = extents_.size() == 1 ? window_bytes_ * 2 : kHoleWindowBytes;
  at_ = 0;
  window_end_bytes_ = range.end_bytes();
  return {};
}

Result<HoleMap::Stretch> HoleMap::begin_of(ChunkRange chunks) {
  const std::uint64_t start = geometry_.offset_of(chunks.first);
  const std::uint64_t end = std::min(chunks.end() << geometry_.chunk_shift, geometry_.volume_bytes);
  if (start >= window_end_bytes_) {
    if (end - start < kWorthAskingBytes) return Stretch{chunks.count, false};
    DD_TRY(ask({start, end - start}));
  }
  while (at_ < extents_.size() && extents_[at_].range.end_bytes() <= start) ++at_;
  if (at_ == extents_.size()) return Stretch{1, false};

  const auto chunks_until = [&](std::uint64_t offset_bytes) {
    const std::uint64_t bytes = std::min(offset_bytes, end) - start;
    // The end of the volume ends its last chunk too.
    const std::uint64_t whole = offset_bytes >= end ? chunks.count : bytes >> geometry_.chunk_shift;
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(whole, chunks.count));
  };
  const Extent& extent = extents_[at_];
  if (extent.kind == Extent::Kind::kZero && extent.range.offset_bytes <= start) {
    const std::uint32_t holes = chunks_until(extent.range.end_bytes());
    return holes > 0 ? Stretch{holes, true} : Stretch{1, false};
  }
  // Content until a hole begins; a chunk in which it ends is content too.
  std::uint64_t content_end = extent.range.offset_bytes;
  for (std::size_t i = at_; i < extents_.size() && extents_[i].kind != Extent::Kind::kZero; ++i)
    content_end = extents_[i].range.end_bytes();
  return Stretch{std::max(1u, chunks_until(content_end)), false};
}

}  // namespace ddsnap
