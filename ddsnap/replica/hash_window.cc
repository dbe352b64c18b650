#include "ddsnap/replica/hash_window.h"

#include <algorithm>

#include "ddsnap/base/limits.h"

namespace ddsnap {

Status HashWindow::find_out_whether_zero(ByteRange bytes) {
  const auto extents = DD_TRY(io_.device().extents(bytes));
  is_zero_ = std::ranges::all_of(extents,
                                 [](const Extent& one) { return one.kind == Extent::Kind::kZero; });
  return {};
}

Status HashWindow::read(ChunkRange chunks) {
  DD_TRY(context_.interruption.check());
  const ChunkGeometry& geometry = io_.geometry();
  chunks_ = chunks;
  const std::uint64_t start = geometry.offset_of(chunks.first);
  const std::uint64_t block_bytes = io_.device().geometry().block_bytes;
  const std::uint64_t end = std::min(
      round_up(std::min(chunks.end() << geometry.chunk_shift, geometry.volume_bytes), block_bytes),
      io_.device().size_bytes());
  const ByteRange bytes{start, end - start};
  DD_TRY(io_.device().will_read(std::span(&bytes, 1)));
  DD_TRY(find_out_whether_zero(bytes));
  used_bytes_ = 0;
  if (is_zero_) return {};
  DD_TRY(context_.rate_limit.take(bytes.length_bytes, context_.interruption));
  used_bytes_ = std::size_t{chunks.count} << geometry.chunk_shift;
  if (buffer_.size() < used_bytes_) buffer_ = AlignedBuffer::for_overwrite(used_bytes_);
  std::vector<ChunkNr> numbers;
  numbers.reserve(chunks.count);
  for (std::uint32_t i = 0; i < chunks.count; ++i) numbers.push_back({chunks.first.value + i});
  return io_.read(numbers, buffer_.span().first(used_bytes_));
}

std::vector<Hash128> HashWindow::hashes() const {
  std::vector<Hash128> all;
  if (is_zero_) return all;
  const std::size_t chunk_bytes = io_.geometry().chunk_bytes();
  all.reserve(chunks_.count);
  for (std::size_t at = 0; at < used_bytes_; at += chunk_bytes)
    all.push_back(hash128_of(bytes().subspan(at, chunk_bytes)));
  return all;
}

Hash128 HashWindow::zero_hash() const {
  return hash128_of(std::vector<std::byte>(io_.geometry().chunk_bytes()));
}

unsigned hash_windows_ahead(std::uint32_t window_chunks) {
  const auto fit = kSessionHashBytes / (std::size_t{window_chunks} * sizeof(Hash128));
  return static_cast<unsigned>(std::clamp<std::size_t>(fit, 2, kSessionHashWindows));
}

}  // namespace ddsnap
