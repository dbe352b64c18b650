// Frames out of a stream of bytes, in whatever pieces it comes: bytes go in, whole frames come out.
//
// Errors    next(): kDamaged for a wrong header; the stream cannot be resynchronised after that
// and every later call fails the same way.
// Threads   A plain value.
// Lifetime  A frame owns its body. At most kMaxMessageBytes of an unfinished frame are kept, plus
// what one feed() brought.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "ddsnap/base/result.h"
#include "ddsnap/wire/messages.h"

namespace ddsnap {

struct Frame {
  FrameHeader header;
  std::vector<std::byte> body;
};

class FrameBuffer {
 public:
  void feed(std::span<const std::byte> bytes);
  // The next whole frame, or nothing while it is not complete.
  Result<std::optional<Frame>> next();
  // A frame has begun and not ended: what patience is counted for (T7).
  bool has_partial() const { return consumed_ < bytes_.size(); }
  std::size_t buffered_bytes() const { return bytes_.size() - consumed_; }

 private:
  std::vector<std::byte> bytes_;
  std::size_t consumed_ = 0;
  std::optional<Error> error_;
};

}  // namespace ddsnap
