#include "ddsnap/replica/byte_link.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

namespace ddsnap {

namespace {

std::unexpected<Error> hung_up() {
  return fail(ErrorCode::kDisconnected, "the other side hung up");
}

Status set_nonblocking(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
    return fail_errno("cannot make non-blocking", "a descriptor");
  return {};
}

class FdLink final : public ByteLink {
 public:
  // `to` has no descriptor where `from` goes both ways.
  FdLink(UniqueFd from, UniqueFd to) : from_(std::move(from)), to_(std::move(to)) {}

  Result<Step> read_some(std::span<std::byte> into) override {
    const ssize_t got = ::read(from_.get(), into.data(), into.size());
    if (got > 0) return Step{.bytes = static_cast<std::size_t>(got)};
    if (got == 0) return hung_up();
    return judge("read", POLLIN);
  }

  Result<Step> write_some(std::span<const std::byte> from) override {
    const ssize_t put = to_ ? ::write(to_.get(), from.data(), from.size())
                            : ::send(from_.get(), from.data(), from.size(), MSG_NOSIGNAL);
    if (put >= 0) return Step{.bytes = static_cast<std::size_t>(put)};
    return judge("write", POLLOUT);
  }

  void end_writing() override {
    if (to_) {
      to_.reset();
    } else {
      ::shutdown(from_.get(), SHUT_WR);
    }
  }

  int read_fd() const override { return from_.get(); }
  int write_fd() const override { return to_ ? to_.get() : from_.get(); }

 private:
  static Result<Step> judge(const char* act, short wants) {
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return Step{.wants = wants};
    if (errno == EPIPE || errno == ECONNRESET) return hung_up();
    return fail(ErrorCode::kDisconnected,
                fail_errno(std::string("cannot ") + act, "the connection").error().message());
  }

  UniqueFd from_;
  UniqueFd to_;
};

}  // namespace

Result<std::unique_ptr<ByteLink>> make_socket_link(UniqueFd socket) {
  DD_TRY(set_nonblocking(socket.get()));
  return std::make_unique<FdLink>(std::move(socket), UniqueFd());
}

Result<std::unique_ptr<ByteLink>> make_pipe_link(UniqueFd from, UniqueFd to) {
  DD_TRY(set_nonblocking(from.get()));
  DD_TRY(set_nonblocking(to.get()));
  return std::make_unique<FdLink>(std::move(from), std::move(to));
}

}  // namespace ddsnap
