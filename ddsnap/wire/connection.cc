#include "ddsnap/wire/connection.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "ddsnap/wire/socket.h"

namespace ddsnap {
namespace {

constexpr std::size_t kReadBytes = 16u << 10;

Status wait_for(int fd, short events, Deadline deadline) {
  for (;;) {
    pollfd waited{fd, events, 0};
    const int ready = ::poll(&waited, 1, deadline.poll_timeout_ms());
    if (ready > 0) return {};
    if (ready == 0) return fail(ErrorCode::kBusy, "no answer in time");
    if (errno != EINTR) return fail_errno("cannot wait for", "a socket");
  }
}

std::unexpected<Error> connection_error(const char* what) {
  if (errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN)
    return fail(ErrorCode::kDisconnected, "the connection is closed");
  return fail_errno(what, "a socket");
}

}  // namespace

Result<Connection> Connection::open(const std::string& address, std::uint64_t timeout_ms) {
  UniqueFd fd = DD_TRY(connect_socket(address, timeout_ms));
  if (const Status peer = check_peer(fd.get()); !peer) return with_context(address, peer.error());
  return Connection(std::move(fd));
}

Status Connection::send_frame(std::span<const std::byte> frame, Deadline deadline) {
  while (!frame.empty()) {
    const ssize_t sent = ::send(fd_.get(), frame.data(), frame.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0)
      frame = frame.subspan(static_cast<std::size_t>(sent));
    else if (errno == EAGAIN)
      DD_TRY(wait_for(fd_.get(), POLLOUT, deadline));
    else if (errno != EINTR)
      return connection_error("cannot send to");
  }
  return {};
}

Result<Frame> Connection::receive(Deadline deadline) {
  std::array<std::byte, kReadBytes> bytes;
  for (;;) {
    if (auto frame = DD_TRY(buffer_.next())) return std::move(*frame);
    const ssize_t got = ::recv(fd_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (got > 0)
      buffer_.feed(std::span(bytes).first(static_cast<std::size_t>(got)));
    else if (got == 0)
      return fail(ErrorCode::kDisconnected, "the connection was closed by the other end");
    else if (errno == EAGAIN)
      DD_TRY(wait_for(fd_.get(), POLLIN, deadline));
    else if (errno != EINTR)
      return connection_error("cannot receive from");
  }
}

Result<Frame> Connection::receive_answer(std::uint64_t request_id, Deadline deadline) {
  for (;;) {
    Frame frame = DD_TRY(receive(deadline));
    // An answer to an earlier question that was given up; an ERROR without id is about the
    // connection itself.
    if (frame.header.request_id == request_id ||
        (frame.header.type == MsgType::kError && frame.header.request_id == 0))
      return frame;
  }
}

Status Connection::expect_type(const Frame& frame, MsgType type) {
  if (frame.header.type == type) return {};
  if (frame.header.type == MsgType::kError)
    return std::unexpected(DD_TRY(decode<ErrorMessage>(frame.body)).error);
  return fail(ErrorCode::kDamaged,
              fmt::format("a message of type {} came where type {} was due",
                          static_cast<unsigned>(frame.header.type), static_cast<unsigned>(type)));
}

void Connection::shut_down() {
  ::shutdown(fd_.get(), SHUT_RDWR);
}

}  // namespace ddsnap
