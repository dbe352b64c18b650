#include "ddsnap/wire/session.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "ddsnap/base/limits.h"

namespace ddsnap {

namespace {

constexpr std::size_t kReceiveBytes = 64u << 10;
constexpr std::size_t kMaxVectors = 64;

bool is_end(int sys_errno) {
  return sys_errno == EPIPE || sys_errno == ECONNRESET;
}

}  // namespace

Status Session::receive() {
  std::array<std::byte, kReceiveBytes> buffer;
  ssize_t n;
  do n = ::recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  while (n < 0 && errno == EINTR);
  if (n == 0 || (n < 0 && is_end(errno)))
    return fail(ErrorCode::kDisconnected, "the peer has closed the connection");
  if (n < 0) return fail_errno("cannot receive from", "a session");
  input_.feed(std::span(buffer).first(static_cast<std::size_t>(n)));
  return {};
}

Result<std::optional<Frame>> Session::next_frame() {
  return input_.next();
}

void Session::stop_sending() {
  is_sending_stopped_ = true;
  output_.clear();
  output_bytes_ = first_sent_bytes_ = 0;
}

Status Session::queue(std::vector<std::byte> frame) {
  if (is_sending_stopped_) return {};
  if (output_bytes_ + frame.size() > kMaxOutputBytes)
    return fail(ErrorCode::kNoSpace, "the peer does not take its answers");
  output_bytes_ += frame.size();
  output_.push_back(std::move(frame));
  return {};
}

Status Session::flush() {
  while (!output_.empty()) {
    std::array<iovec, kMaxVectors> vectors;
    std::size_t count = 0;
    for (auto frame = output_.begin(); frame != output_.end() && count < kMaxVectors; ++frame) {
      const std::size_t skip = count == 0 ? first_sent_bytes_ : 0;
      vectors[count++] = {frame->data() + skip, frame->size() - skip};
    }
    msghdr message{};
    message.msg_iov = vectors.data();
    message.msg_iovlen = count;
    const ssize_t n = ::sendmsg(fd_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return {};
    if (n < 0 && is_end(errno))
      return fail(ErrorCode::kDisconnected, "the peer has closed the connection");
    if (n < 0) return fail_errno("cannot send to", "a session");
    output_bytes_ -= static_cast<std::size_t>(n);
    first_sent_bytes_ += static_cast<std::size_t>(n);
    while (!output_.empty() && first_sent_bytes_ >= output_.front().size()) {
      first_sent_bytes_ -= output_.front().size();
      output_.pop_front();
    }
  }
  return {};
}

bool Session::has_worn_out_patience(std::uint64_t now_ns) const {
  return patient_since_ns_ && now_ns >= *patient_since_ns_ + kPatience_ms * 1'000'000;
}

void Session::note_progress(std::uint64_t now_ns, bool has_taken_frames) {
  if (!input_.has_partial()) {
    if (has_taken_frames) patient_since_ns_.reset();
  } else if (has_taken_frames || !patient_since_ns_) {
    patient_since_ns_ = now_ns;
  }
}

}  // namespace ddsnap
