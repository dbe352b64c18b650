// One end of a connection that waits: what the command line and the targets speak to a server or an
// agent with.
//
// Errors    kDisconnected when the peer is gone, kBusy when the deadline passed, kDamaged for bytes
// that are no message. An ERROR message comes back from call() as the Error in it.
// Threads   One thread may send while another receives. shut_down() may come from any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "ddsnap/base/result.h"
#include "ddsnap/base/unique_fd.h"
#include "ddsnap/wire/deadline.h"
#include "ddsnap/wire/frame_buffer.h"
#include "ddsnap/wire/messages.h"

namespace ddsnap {

class Connection {
 public:
  explicit Connection(UniqueFd fd) : fd_(std::move(fd)) {}
  // Connects and checks whose the other end is.
  static Result<Connection> open(const std::string& address, std::uint64_t timeout_ms);

  int fd() const { return fd_.get(); }

  Status send_frame(std::span<const std::byte> frame, Deadline deadline = Deadline::never());
  template <class Message>
  Status send(const Message& message, std::uint64_t request_id = 0,
              Deadline deadline = Deadline::never()) {
    return send_frame(encode(message, request_id), deadline);
  }
  Result<Frame> receive(Deadline deadline = Deadline::never());

  // Asks, and waits for the one answer. Requires: nobody else uses the connection meanwhile.
  template <class Answer, class Request>
  Result<Answer> call(const Request& request, std::uint64_t timeout_ms) {
    const Deadline deadline = Deadline::after_ms(timeout_ms);
    const std::uint64_t request_id = ++last_request_id_;
    DD_TRY(send(request, request_id, deadline));
    const Frame frame = DD_TRY(receive_answer(request_id, deadline));
    DD_TRY(expect_type(frame, Answer::kType));
    return decode<Answer>(frame.body);
  }

  // The frame has that type; an ERROR message becomes its Error, anything else kDamaged.
  static Status expect_type(const Frame& frame, MsgType type);

  // Ends the connection for both directions and wakes whoever waits in receive().
  void shut_down();

 private:
  Result<Frame> receive_answer(std::uint64_t request_id, Deadline deadline);

  UniqueFd fd_;
  FrameBuffer buffer_;
  std::uint64_t last_request_id_ = 0;
};

}  // namespace ddsnap
