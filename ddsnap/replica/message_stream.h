// Messages over a channel, one after the other in both directions.
//
// Errors    As the channel; kDamaged for what is no message. An ERROR that the other side sent
// comes
//           back as that error, the other side's name in front, from whatever call meets it first.
// Threads   One at a time.
// Lifetime  Borrows the channel.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ddsnap/replica/channel.h"
#include "ddsnap/replica/session_messages.h"

namespace ddsnap {

struct SessionFrame {
  SessionMsg type{};
  std::vector<std::byte> body;
};

class MessageStream {
 public:
  explicit MessageStream(Channel& channel) : channel_(channel) {}

  template <class Message>
  Status send(const Message& message) {
    return send_body(Message::kType, encode_session(message));
  }
  // Tells the other side why this one ends. Best effort.
  void send_error(const Error& error);

  // The next message, whatever it is; nothing at the end.
  Result<std::optional<SessionFrame>> receive_or_end();
  Result<SessionFrame> receive();
  // kDamaged when another one comes.
  template <class Message>
  Result<Message> expect() {
    const SessionFrame frame = DD_TRY(receive());
    return take<Message>(frame);
  }
  template <class Message>
  Result<Message> take(const SessionFrame& frame) {
    if (frame.type != Message::kType) return out_of_place(frame.type);
    auto message = decode_session<Message>(frame.body);
    if (!message) return with_context(channel_.peer(), std::move(message).error());
    return message;
  }
  std::unexpected<Error> out_of_place(SessionMsg type) const;

  // Bodies from now on may be as long as this.
  void set_max_body_bytes(std::size_t bytes) { max_body_bytes_ = bytes; }
  Channel& channel() { return channel_; }

 private:
  Status send_body(SessionMsg type, const std::vector<std::byte>& body);
  std::unexpected<Error> named(Error error) const;

  Channel& channel_;
  std::size_t max_body_bytes_ = kMaxSessionBodyBytes;
  std::uint32_t sent_ = 0;
  std::uint32_t received_ = 0;
};

}  // namespace ddsnap
