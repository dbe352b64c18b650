#include "ddsnap/delta/present.h"

#include <cstring>

#include "ddsnap/base/limits.h"

namespace ddsnap {

namespace {

// A chunk in which the older volume ended: only its part below is what "before" speaks of (D6).
void cut_boundary(const DeltaHeader& header, ChunkNr chunk, std::span<std::byte> content) {
  if (!header.is_boundary(chunk)) return;
  const std::uint64_t keep_bytes = header.common_bytes() - header.to_geometry().offset_of(chunk);
  std::memset(content.data() + keep_bytes, 0, content.size() - keep_bytes);
}

}  // namespace

PresentReader::PresentReader(BlockDevice& target, const DeltaHeader& header)
    : header_(header), io_(target, header.to_geometry()) {}

Status PresentReader::visit(const DeltaFrame& frame, const Visitor& visitor) {
  const std::size_t most = kReadPieceBytes >> header_.chunk_shift;
  for (const FrameEntry& entry : frame.entries) {
    for (std::uint32_t i = 0; i < entry.count; ++i) {
      pending_.push_back({{entry.first.value + i}, &entry});
      if (pending_.size() == most) DD_TRY(visit_pending(visitor));
    }
  }
  return visit_pending(visitor);
}

Status PresentReader::visit_pending(const Visitor& visitor) {
  std::vector<Asked> asked;
  asked.swap(pending_);
  std::vector<ChunkNr> chunks;
  chunks.reserve(asked.size());
  for (const Asked& one : asked) chunks.push_back(one.chunk);
  const std::size_t chunk_bytes = header_.to_geometry().chunk_bytes();
  if (buffer_.size() < chunks.size() * chunk_bytes) buffer_.resize(chunks.size() * chunk_bytes);
  DD_TRY(io_.read(chunks, buffer_));
  for (std::size_t i = 0; i < asked.size(); ++i)
    DD_TRY(visitor(judge(asked[i], std::span(buffer_).subspan(i * chunk_bytes, chunk_bytes))));
  return {};
}

PresentChunk PresentReader::judge(const Asked& asked, std::span<std::byte> content) const {
  const ChunkHash present = hash_chunk(content);
  return {.chunk = asked.chunk,
          .is_before = is_before(asked, present, content),
          .is_after = present == asked.entry->after,
          .is_unproven = asked.entry->before_kind == BeforeKind::kUnknown};
}

bool PresentReader::is_before(const Asked& asked, ChunkHash present,
                              std::span<std::byte> content) const {
  switch (asked.entry->before_kind) {
    case BeforeKind::kUnknown:
      return true;
    case BeforeKind::kNew:
      // Where the volume grew anything may be; a full delta starts from an empty target.
      return !header_.is_full() || present == hash_of_zero_chunk(header_.chunk_shift);
    case BeforeKind::kKnown:
      break;
  }
  if (!header_.is_boundary(asked.chunk)) return present == asked.entry->before;
  cut_boundary(header_, asked.chunk, content);
  return hash_chunk(content) == asked.entry->before;
}

Result<std::vector<std::byte>> gather_prefix(const DeltaHeader& header, ChunkIo& target,
                                             const DeltaFrame& frame) {
  std::vector<std::byte> prefix;
  if (frame.encoding != Encoding::kZstdDifference) return prefix;
  std::vector<ChunkNr> chunks;
  for (const FrameEntry& entry : frame.entries)
    if (entry.content == ContentKind::kData && entry.before_kind == BeforeKind::kKnown)
      chunks.push_back(entry.first);
  const std::size_t chunk_bytes = header.to_geometry().chunk_bytes();
  prefix.resize(chunks.size() * chunk_bytes);
  if (chunks.empty()) return prefix;
  DD_TRY(target.read(chunks, prefix));
  cut_boundary(header, chunks.back(), std::span(prefix).last(chunk_bytes));
  return prefix;
}

}  // namespace ddsnap
