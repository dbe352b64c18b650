#include "ddsnap/wire/frame_buffer.h"

namespace ddsnap {

void FrameBuffer::feed(std::span<const std::byte> bytes) {
  // Taken frames are dropped here, once a feed and not once a frame.
  bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(consumed_));
  consumed_ = 0;
  bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
}

Result<std::optional<Frame>> FrameBuffer::next() {
  if (error_) return std::unexpected(*error_);
  const std::span<const std::byte> rest = std::span(bytes_).subspan(consumed_);
  if (rest.size() < kFrameHeaderBytes) return std::nullopt;
  const auto header = decode_header(rest.first<kFrameHeaderBytes>());
  if (!header) {
    error_ = header.error();
    return std::unexpected(*error_);
  }
  const std::size_t frame_bytes = kFrameHeaderBytes + header->body_bytes;
  if (rest.size() < frame_bytes) return std::nullopt;
  const auto body = rest.subspan(kFrameHeaderBytes, header->body_bytes);
  consumed_ += frame_bytes;
  return Frame{*header, {body.begin(), body.end()}};
}

}  // namespace ddsnap
