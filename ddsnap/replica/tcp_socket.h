// TCP, over IPv6 and IPv4: HOST, HOST:PORT, [::1]:PORT, and a volume's name behind a slash.
//
// Errors    kUsage for an address that is none; kNotFound for a host that nobody knows;
//           kDisconnected when nobody listens there; kBusy when it does not answer in time.
// Threads   Plain functions.
// Lifetime  Sockets are close-on-exec, send small messages at once, and find a dead peer by
//           keepalive within about two minutes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ddsnap/base/interruption.h"
#include "ddsnap/base/result.h"
#include "ddsnap/base/unique_fd.h"

namespace ddsnap {

inline constexpr std::uint16_t kDefaultSessionPort = 4329;

struct TcpAddress {
  std::string host;  // empty: all addresses of this machine, to listen on
  std::uint16_t port = kDefaultSessionPort;
  std::string volume;  // behind the slash

  std::string to_string() const;
};
Result<TcpAddress> parse_tcp_address(const std::string& text);

Result<UniqueFd> connect_tcp(const TcpAddress& address, std::uint64_t timeout_ms,
                             const Interruption& interruption);

struct ListeningTcp {
  UniqueFd fd;
  std::string address;  // with the port that the system chose, where 0 was asked for
  bool is_loopback = false;
};
// One socket for each address that the host has. kUsage where a name means none of ours.
Result<std::vector<ListeningTcp>> listen_tcp(const TcpAddress& address);

struct AcceptedTcp {
  UniqueFd fd;
  std::string peer;  // "[::1]:40000"
};
// kBusy when nobody waits.
Result<AcceptedTcp> accept_tcp(int listening_fd);

// Whether the other end is this machine itself.
bool is_loopback_peer(int fd);

}  // namespace ddsnap
