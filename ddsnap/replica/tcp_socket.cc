#include "ddsnap/replica/tcp_socket.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <charconv>
#include <memory>

#include "ddsnap/wire/deadline.h"

namespace ddsnap {

namespace {

constexpr int kBacklog = 64;
constexpr int kKeepIdle_s = 30;
constexpr int kKeepInterval_s = 15;
constexpr int kKeepProbes = 6;

struct FreeAddresses {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};
using Addresses = std::unique_ptr<addrinfo, FreeAddresses>;

std::unexpected<Error> no_address(const std::string& text) {
  return fail(ErrorCode::kUsage,
              text + ": no address; HOST, HOST:PORT or [IPV6]:PORT, and perhaps /VOLUME");
}

Result<Addresses> resolve(const TcpAddress& address, int flags) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const char* const host = address.host.empty() ? nullptr : address.host.c_str();
  const int failed = ::getaddrinfo(host, std::to_string(address.port).c_str(), &hints, &found);
  if (failed == 0) return Addresses(found);
  return fail(ErrorCode::kNotFound, fmt::format("{}: {}", address.host, ::gai_strerror(failed)));
}

void set_option(int fd, int level, int option, int value) {
  (void)::setsockopt(fd, level, option, &value, sizeof value);
}

// Best effort: a socket without them works as well while the network does.
void make_lively(int fd) {
  set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, kKeepIdle_s);
  set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, kKeepInterval_s);
  set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, kKeepProbes);
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
}

bool is_loopback(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    return (ntohl(v4.sin_addr.s_addr) >> 24) == 127;
  }
  if (address.ss_family != AF_INET6) return false;
  const in6_addr& v6 = reinterpret_cast<const sockaddr_in6&>(address).sin6_addr;
  return IN6_IS_ADDR_LOOPBACK(&v6) || (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == 127);
}

std::string text_of(const sockaddr_storage& address, socklen_t length) {
  char host[NI_MAXHOST] = "?";
  char port[NI_MAXSERV] = "?";
  (void)::getnameinfo(reinterpret_cast<const sockaddr*>(&address), length, host, sizeof host, port,
                      sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
  return address.ss_family == AF_INET6 ? fmt::format("[{}]:{}", host, port)
                                       : fmt::format("{}:{}", host, port);
}

Status wait_connected(int fd, const std::string& name, Deadline deadline,
                      const Interruption& interruption) {
  for (;;) {
    pollfd asked[2] = {{.fd = interruption.fd(), .events = POLLIN, .revents = 0},
                       {.fd = fd, .events = POLLOUT, .revents = 0}};
    const int ready = ::poll(asked, 2, deadline.poll_timeout_ms());
    if (ready < 0 && errno != EINTR) return fail_errno("cannot wait for", name);
    DD_TRY(interruption.check());
    if (ready > 0 && asked[1].revents != 0) break;
    if (deadline.has_passed()) return fail(ErrorCode::kBusy, name + ": it does not answer");
  }
  int failed = 0;
  socklen_t length = sizeof failed;
  if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &length) != 0) failed = errno;
  if (failed == 0) return {};
  if (failed == ECONNREFUSED)
    return fail(ErrorCode::kDisconnected, name + ": nobody listens there");
  return fail(ErrorCode::kDisconnected, fail_errno("cannot reach", name, failed).error().message());
}

Result<UniqueFd> connect_one(const addrinfo& to, const std::string& name, Deadline deadline,
                             const Interruption& interruption) {
  UniqueFd fd(::socket(to.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return fail_errno("cannot make", "a socket");
  if (::connect(fd.get(), to.ai_addr, to.ai_addrlen) != 0 && errno != EINPROGRESS) {
    if (errno == ECONNREFUSED)
      return fail(ErrorCode::kDisconnected, name + ": nobody listens there");
    return fail_errno("cannot reach", name);
  }
  DD_TRY(wait_connected(fd.get(), name, deadline, interruption));
  make_lively(fd.get());
  return fd;
}

Result<ListeningTcp> listen_on(const addrinfo& at, const std::string& name) {
  UniqueFd fd(::socket(at.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return fail_errno("cannot make", "a socket");
  set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (at.ai_family == AF_INET6) set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1);
  if (::bind(fd.get(), at.ai_addr, at.ai_addrlen) != 0 || ::listen(fd.get(), kBacklog) != 0) {
    if (errno == EADDRINUSE) return fail(ErrorCode::kBusy, name + ": somebody listens there");
    if (errno == EADDRNOTAVAIL)
      return fail(ErrorCode::kUsage, name + ": no address of this machine");
    return fail_errno("cannot listen on", name);
  }
  sockaddr_storage bound{};
  socklen_t length = sizeof bound;
  if (::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&bound), &length) != 0)
    return fail_errno("cannot learn the address of", name);
  return ListeningTcp{std::move(fd), text_of(bound, length), is_loopback(bound)};
}

}  // namespace

std::string TcpAddress::to_string() const {
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port)
                                             : fmt::format("[{}]:{}", host, port);
}

Result<TcpAddress> parse_tcp_address(const std::string& text) {
  TcpAddress address;
  const auto slash = text.find('/');
  if (slash != std::string::npos) address.volume = text.substr(slash + 1);
  std::string rest = text.substr(0, slash);
  std::string port;
  if (rest.starts_with('[')) {
    const auto end = rest.find(']');
    if (end == std::string::npos) return no_address(text);
    address.host = rest.substr(1, end - 1);
    port = rest.substr(end + 1);
  } else if (const auto colon = rest.rfind(':'); colon != std::string::npos) {
    if (rest.find(':') != colon) return no_address(text);  // an IPv6 address wants its brackets
    address.host = rest.substr(0, colon);
    port = rest.substr(colon);
  } else {
    address.host = rest;
  }
  if (address.host.empty() && port.empty()) return no_address(text);
  if (port.empty()) return address;
  const auto read = std::from_chars(port.data() + 1, port.data() + port.size(), address.port);
  const bool is_number = read.ec == std::errc() && read.ptr == port.data() + port.size();
  if (port.front() != ':' || !is_number) return no_address(text);
  return address;
}

Result<UniqueFd> connect_tcp(const TcpAddress& address, std::uint64_t timeout_ms,
                             const Interruption& interruption) {
  const Deadline deadline = Deadline::after_ms(timeout_ms);
  const Addresses found = DD_TRY(resolve(address, 0));
  Result<UniqueFd> connected = fail(ErrorCode::kNotFound, address.host + ": it has no address");
  for (const addrinfo* one = found.get(); one != nullptr && !connected; one = one->ai_next)
    connected = connect_one(*one, address.to_string(), deadline, interruption);
  return connected;
}

Result<std::vector<ListeningTcp>> listen_tcp(const TcpAddress& address) {
  const Addresses found = DD_TRY(resolve(address, AI_PASSIVE));
  std::vector<ListeningTcp> all;
  for (const addrinfo* one = found.get(); one != nullptr; one = one->ai_next) {
    auto listening = listen_on(*one, address.to_string());
    // A machine may have no IPv6 although its name has an address of it.
    if (!listening && one->ai_next == nullptr && all.empty())
      return std::unexpected(listening.error());
    if (listening) all.push_back(*std::move(listening));
  }
  return all;
}

Result<AcceptedTcp> accept_tcp(int listening_fd) {
  sockaddr_storage peer{};
  socklen_t length = sizeof peer;
  UniqueFd fd(::accept4(listening_fd, reinterpret_cast<sockaddr*>(&peer), &length,
                        SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!fd) return fail_errno("cannot accept", "a connection");
  make_lively(fd.get());
  return AcceptedTcp{std::move(fd), text_of(peer, length)};
}

bool is_loopback_peer(int fd) {
  sockaddr_storage peer{};
  socklen_t length = sizeof peer;
  return ::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &length) == 0 && is_loopback(peer);
}

}  // namespace ddsnap
