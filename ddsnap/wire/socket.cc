#include "ddsnap/wire/socket.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "ddsnap/base/limits.h"

namespace ddsnap {
namespace {

constexpr int kBacklog = 1024;
constexpr std::uint64_t kProbeTimeout_ms = 1000;

struct Address {
  sockaddr_un name{};
  socklen_t length_bytes = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&name); }
};

bool is_abstract(const std::string& address) {
  return address.starts_with('@');
}

Result<Address> parse(const std::string& address) {
  if (address.empty() || address == "@")
    return fail(ErrorCode::kUsage, "the address of a socket is empty");
  if (address.size() > kMaxSocketPathBytes)
    return fail(ErrorCode::kUsage,
                address + ": too long for the address of a socket (107 characters at most)");
  Address result;
  result.name.sun_family = AF_UNIX;
  std::memcpy(result.name.sun_path, address.data(), address.size());
  // An abstract name starts with a zero byte and has no terminator; a path has one.
  if (is_abstract(address)) result.name.sun_path[0] = '\0';
  const std::size_t terminator = is_abstract(address) ? 0 : 1;
  result.length_bytes =
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.size() + terminator);
  return result;
}

Result<UniqueFd> make_socket() {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return fail_errno("cannot make", "a socket");
  return fd;
}

Status set_send_timeout(int fd, std::uint64_t timeout_ms) {
  const timeval timeout{static_cast<time_t>(timeout_ms / 1000),
                        static_cast<suseconds_t>(timeout_ms % 1000 * 1000)};
  if (::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout) != 0)
    return fail_errno("cannot set a timeout on", "a socket");
  return {};
}

Result<UniqueFd> lock_directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const std::string directory = slash == path.npos ? "." : path.substr(0, slash + 1);
  UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return fail_errno("cannot open directory", directory);
  if (::flock(fd.get(), LOCK_EX) != 0) return fail_errno("cannot lock directory", directory);
  return fd;
}

// Makes the path free, or says why it is not. Requires: the directory's lock is held.
Status clear_path(const std::string& path) {
  struct stat found{};
  if (::lstat(path.c_str(), &found) != 0) {
    if (errno == ENOENT) return {};
    return fail_errno("cannot look at", path);
  }
  if (!S_ISSOCK(found.st_mode))
    return fail(ErrorCode::kExists, path + ": exists and is no socket; choose another path");
  auto probe = connect_socket(path, kProbeTimeout_ms);
  if (probe || probe.error().code == ErrorCode::kBusy)
    return fail(ErrorCode::kBusy, path + ": a running daemon listens there");
  if (probe.error().code != ErrorCode::kDisconnected) return std::unexpected(probe.error());
  if (::unlink(path.c_str()) != 0) return fail_errno("cannot replace stale socket", path);
  return {};
}

Status bind_and_listen(int fd, const std::string& address) {
  const Address name = DD_TRY(parse(address));
  // Linux takes the file's mode from the socket's own inode, so that nobody ever sees it open to
  // others, whatever the umask.
  if (::fchmod(fd, 0600) != 0) return fail_errno("cannot set the mode of", address);
  if (::bind(fd, name.get(), name.length_bytes) != 0) {
    if (errno == EADDRINUSE)
      return fail(ErrorCode::kBusy, address + ": a running daemon listens there");
    return fail_errno("cannot bind socket", address);
  }
  if (::listen(fd, kBacklog) != 0) return fail_errno("cannot listen on", address);
  return {};
}

}  // namespace

Result<UniqueFd> connect_socket(const std::string& address, std::uint64_t timeout_ms) {
  const Address name = DD_TRY(parse(address));
  UniqueFd fd = DD_TRY(make_socket());
  DD_TRY(set_send_timeout(fd.get(), std::max<std::uint64_t>(timeout_ms, 1)));
  int rc;
  do rc = ::connect(fd.get(), name.get(), name.length_bytes);
  while (rc != 0 && errno == EINTR);
  if (rc != 0 && errno == ECONNREFUSED && is_abstract(address))
    return fail(ErrorCode::kNotFound, address + ": nobody listens there");
  if (rc != 0 && errno == ECONNREFUSED)
    return fail(ErrorCode::kDisconnected, address + ": nobody listens there any more");
  if (rc != 0 && errno == EAGAIN)
    return fail(ErrorCode::kBusy, address + ": does not accept connections in time");
  if (rc != 0) return fail_errno("cannot connect to", address);
  DD_TRY(set_send_timeout(fd.get(), 0));
  return fd;
}

Result<uid_t> peer_uid(int socket_fd) {
  ucred peer{};
  socklen_t length_bytes = sizeof peer;
  if (::getsockopt(socket_fd, SOL_SOCKET, SO_PEERCRED, &peer, &length_bytes) != 0)
    return fail_errno("cannot learn the peer of", "a socket");
  return peer.uid;
}

Status check_peer(int socket_fd) {
  const uid_t uid = DD_TRY(peer_uid(socket_fd));
  if (uid == 0 || uid == ::geteuid()) return {};
  return fail(ErrorCode::kFailed, "the other end of the socket belongs to user " +
                                      std::to_string(uid) + ", who is neither root nor us");
}

Result<ListeningSocket> ListeningSocket::open(const std::string& address) {
  DD_TRY(parse(address));
  ListeningSocket result;
  UniqueFd fd = DD_TRY(make_socket());
  UniqueFd directory_lock;
  if (!is_abstract(address)) {
    directory_lock = DD_TRY(lock_directory_of(address));
    DD_TRY(clear_path(address));
  }
  DD_TRY(bind_and_listen(fd.get(), address));
  if (struct stat made{}; !is_abstract(address)) {
    if (::lstat(address.c_str(), &made) != 0) return fail_errno("cannot look at", address);
    result.device_ = made.st_dev;
    result.inode_ = made.st_ino;
  }
  result.fd_ = std::move(fd);
  result.address_ = address;
  return result;
}

ListeningSocket::ListeningSocket(ListeningSocket&& other) noexcept = default;

ListeningSocket& ListeningSocket::operator=(ListeningSocket&& other) noexcept {
  if (this == &other) return *this;
  remove_file();
  fd_ = std::move(other.fd_);
  address_ = std::move(other.address_);
  device_ = other.device_;
  inode_ = other.inode_;
  return *this;
}

ListeningSocket::~ListeningSocket() {
  remove_file();
}

void ListeningSocket::remove_file() {
  if (!fd_ || is_abstract(address_)) return;
  // Under the lock, so that it is not a successor's file by the time it goes.
  const auto lock = lock_directory_of(address_);
  struct stat found{};
  if (lock && ::lstat(address_.c_str(), &found) == 0 && found.st_dev == device_ &&
      found.st_ino == inode_)
    ::unlink(address_.c_str());
}

Result<UniqueFd> ListeningSocket::accept() {
  int fd;
  do fd = ::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC);
  while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
  if (fd < 0) return fail_errno("cannot accept on", address_);
  return UniqueFd(fd);
}

Status ListeningSocket::set_nonblocking() {
  if (::fcntl(fd_.get(), F_SETFL, O_NONBLOCK) != 0)
    return fail_errno("cannot make non-blocking", address_);
  return {};
}

Result<SocketPair> make_socket_pair() {
  int fds[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
    return fail_errno("cannot make", "a pair of sockets");
  return SocketPair{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

}  // namespace ddsnap
