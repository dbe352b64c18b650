#include "ddsnap/replica/window_source.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "ddsnap/base/limits.h"

namespace ddsnap {

Result<WindowSource> WindowSource::begin(MessageStream& stream, SessionFrame first) {
  WindowSource source(stream);
  DD_TRY(source.take(std::move(first)));
  return source;
}

Status WindowSource::take(SessionFrame frame) {
  frame_ = std::move(frame);
  const auto message = DD_TRY(stream_->take<FrameSession>(frame_));
  rest_ = message.bytes;
  is_last_ = message.is_last;
  if (!rest_.empty() || is_last_) return {};
  return fail(ErrorCode::kDamaged, name_ + ": an empty piece of a window");
}

Result<std::size_t> WindowSource::read(std::span<std::byte> into) {
  if (rest_.empty() && !is_last_) DD_TRY(take(DD_TRY(stream_->receive())));
  const std::size_t count = std::min(into.size(), rest_.size());
  if (count > 0) std::memcpy(into.data(), rest_.data(), count);
  rest_ = rest_.subspan(count);
  return count;
}

Status WindowSource::rewind() {
  return fail(ErrorCode::kUsage, name_ + ": a session cannot be read twice");
}

Status WindowSink::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const auto part = bytes.first(std::min(bytes.size(), kSessionPieceBytes - piece_.size()));
    piece_.insert(piece_.end(), part.begin(), part.end());
    bytes = bytes.subspan(part.size());
    // The last piece waits for finish(), so none is empty.
    if (piece_.size() < kSessionPieceBytes || bytes.empty()) continue;
    DD_TRY(stream_.send(FrameSession{.is_last = false, .bytes = piece_}));
    piece_.clear();
  }
  return {};
}

Status WindowSink::finish() {
  DD_TRY(stream_.send(FrameSession{.is_last = true, .bytes = piece_}));
  piece_.clear();
  return {};
}

}  // namespace ddsnap
