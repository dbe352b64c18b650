// What the volume wants sent, and whom it wants cut off, since the loop last took it.
//
// Shape     Frames in the order in which they must go out to each session.
// Threads   None inside.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "ddsnap/wire/messages.h"
#include "server/session_id.h"

namespace ddsnap {

class Outbox {
 public:
  struct Frame {
    SessionId to;
    std::vector<std::byte> bytes;
  };

  template <class Message>
  void send(SessionId to, std::uint64_t request_id, const Message& message) {
    frames_.push_back({to, encode(message, request_id)});
  }
  void send_ok(SessionId to, std::uint64_t request_id) { send(to, request_id, OkMessage{}); }
  void send_error(SessionId to, std::uint64_t request_id, Error error) {
    send(to, request_id, ErrorMessage{std::move(error)});
  }
  // After its frames. The session's on_disconnect() still comes.
  void close(SessionId session) { closes_.push_back(session); }

  std::vector<Frame> take_frames() { return std::exchange(frames_, {}); }
  std::vector<SessionId> take_closes() { return std::exchange(closes_, {}); }

 private:
  std::vector<Frame> frames_;
  std::vector<SessionId> closes_;
};

}  // namespace ddsnap
