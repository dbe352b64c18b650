#include "ddsnap/delta/frame_encoder.h"

#include <cstring>

namespace ddsnap {

Result<FrameEncoder::Encoded> FrameEncoder::encode(std::span<const std::byte> content,
                                                   std::span<const std::byte> prefix,
                                                   std::span<std::byte> into) {
  if (content.empty()) return Encoded{};
  std::size_t difference_bytes = 0;
  if (mode_ != DeltaMode::kRaw && !prefix.empty()) {
    difference_.resize(std::max(difference_.size(), content.size()));
    const auto room = std::span(difference_).first(content.size() - 1);
    difference_bytes = DD_TRY(compressor_.compress_difference_into(content, prefix, room));
  }
  if (difference_bytes == 0 || mode_ == DeltaMode::kBest) {
    // With no more room than would be an improvement, a compressor gives up as soon as it is none.
    const std::size_t smaller_than = difference_bytes == 0 ? content.size() : difference_bytes;
    const std::size_t raw_bytes =
        DD_TRY(compressor_.compress_into(content, into.first(smaller_than - 1)));
    if (raw_bytes != 0) return Encoded{compressor_.encoding(), into.first(raw_bytes)};
  }
  if (difference_bytes == 0) return Encoded{Encoding::kStored, content};
  std::memcpy(into.data(), difference_.data(), difference_bytes);
  return Encoded{Encoding::kZstdDifference, into.first(difference_bytes)};
}

}  // namespace ddsnap
