// One window of a session as a stream of bytes: the pieces in FRAME messages, up to the last.
//
// Errors    As the message stream.
// Threads   One at a time: the delta engine reads it in a thread of its own.
// Lifetime  Borrows the stream.
#pragma once

#include "ddsnap/delta/byte_stream.h"
#include "ddsnap/replica/message_stream.h"

namespace ddsnap {

class WindowSource final : public ByteSource {
 public:
  // `first` is the window's first FRAME.
  static Result<WindowSource> begin(MessageStream& stream, SessionFrame first);

  Result<std::size_t> read(std::span<std::byte> into) override;
  bool can_rewind() const override { return false; }
  Status rewind() override;
  const std::string& name() const override { return name_; }

 private:
  explicit WindowSource(MessageStream& stream) : stream_(&stream), name_(stream.channel().peer()) {}
  Status take(SessionFrame frame);

  MessageStream* stream_;
  std::string name_;
  SessionFrame frame_;
  std::span<const std::byte> rest_;  // of frame_
  bool is_last_ = false;
};

// The opposite: finish() sends the last piece.
class WindowSink final : public ByteSink {
 public:
  explicit WindowSink(MessageStream& stream) : stream_(stream) {}
  Status write(std::span<const std::byte> bytes) override;
  Status finish() override;

 private:
  MessageStream& stream_;
  std::vector<std::byte> piece_;
};

}  // namespace ddsnap
