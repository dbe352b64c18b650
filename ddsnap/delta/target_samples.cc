#include "ddsnap/delta/target_samples.h"

#include <algorithm>

#include "ddsnap/base/hash.h"
#include "ddsnap/base/limits.h"

namespace ddsnap {

namespace {

constexpr std::uint64_t kDrawSeed = 0x504d415344534444;

std::uint64_t draw_key(ChunkNr chunk) {
  return checksum_of(std::as_bytes(std::span(&chunk.value, 1)), kDrawSeed);
}

bool is_telling(const FrameEntry& entry) {
  return entry.content != ContentKind::kSame &&
         !(entry.before_kind == BeforeKind::kKnown && entry.before == entry.after);
}

}  // namespace

void SampleDraw::see(const DeltaFrame& frame) {
  const std::uint64_t whole_chunks = header_.to_bytes >> header_.chunk_shift;
  for (const FrameEntry& entry : frame.entries) {
    if (!is_telling(entry) || entry.first.value >= whole_chunks) continue;
    drawn_.emplace(draw_key(entry.first), ChunkSample{entry.first, entry.after});
    if (drawn_.size() > kMaxTargetSamples) drawn_.erase(std::prev(drawn_.end()));
  }
}

TargetSamples SampleDraw::take() const {
  TargetSamples samples{.chunk_shift = header_.chunk_shift};
  for (const auto& [key, sample] : drawn_) samples.chunks.push_back(sample);
  std::ranges::sort(samples.chunks, {}, &ChunkSample::chunk);
  return samples;
}

Result<Remembrance> compare_samples(BlockDevice& target, const TargetSamples& samples) {
  const ChunkGeometry geometry{.chunk_shift = samples.chunk_shift,
                               .volume_bytes = target.size_bytes()};
  std::size_t lost = 0;
  std::vector<std::byte> content(geometry.chunk_bytes());
  for (const ChunkSample& sample : samples.chunks) {
    const std::uint64_t start = geometry.offset_of(sample.chunk);
    const bool is_there = start + content.size() <= target.size_bytes();
    if (is_there) DD_TRY(target.read_at(start, content));
    if (!is_there || hash_chunk(content) != sample.hash) ++lost;
  }
  if (lost == 0) return Remembrance::kHolds;
  return lost * 2 > samples.chunks.size() ? Remembrance::kReplaced : Remembrance::kTouched;
}

}  // namespace ddsnap
