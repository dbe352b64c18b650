// One accepted connection of a non-blocking loop: frames in, frames out, never waiting (T7).
//
// Shape     receive() takes what is there once; next_frame() hands out whole messages; queue() and
//           flush() send. The loop decides when to do which.
// Errors    receive(), flush(): kDisconnected at the end, kIo as the system says. next_frame():
//           kDamaged. queue(): kNoSpace when the peer does not take what it asked for.
// Threads   None inside.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "ddsnap/base/result.h"
#include "ddsnap/base/unique_fd.h"
#include "ddsnap/wire/frame_buffer.h"

namespace ddsnap {

class Session {
 public:
  // `fd` is made non-blocking use of by flags of each call; its own flags do not matter.
  Session(UniqueFd fd, std::uint64_t now_ns) : fd_(std::move(fd)), patient_since_ns_(now_ns) {}

  int fd() const { return fd_.get(); }

  // One read of what is there. kBusy when nothing is.
  Status receive();
  Result<std::optional<Frame>> next_frame();
  Status queue(std::vector<std::byte> frame);
  // Sends as much as the peer takes now.
  Status flush();
  std::size_t output_bytes() const { return output_bytes_; }
  // The peer reads no more: what it was to be sent is forgotten, now and from now on.
  void stop_sending();

  // Whether it has kept us waiting too long: for its first message, or for the rest of one.
  bool has_worn_out_patience(std::uint64_t now_ns) const;
  // Call after the frames that are whole were taken.
  void note_progress(std::uint64_t now_ns, bool has_taken_frames);

 private:
  UniqueFd fd_;
  FrameBuffer input_;
  std::deque<std::vector<std::byte>> output_;
  std::size_t output_bytes_ = 0;
  std::size_t first_sent_bytes_ = 0;  // of output_.front()
  bool is_sending_stopped_ = false;
  std::optional<std::uint64_t> patient_since_ns_;
};

}  // namespace ddsnap
