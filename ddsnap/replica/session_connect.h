// Reaches a listener on another machine.
//
// Errors    kUsage for key files that are none, for a rate that the other side would take for a
//           connection that stands still, and for another machine without key, certificates or
//           is_insecure; as connect_tcp() and TlsContext, the address in front.
// Threads   A plain function.
#pragma once

#include <memory>

#include "ddsnap/replica/channel.h"
#include "ddsnap/replica/tcp_socket.h"
#include "ddsnap/replica/tls_link.h"

namespace ddsnap {

struct ConnectOptions {
  TlsFiles files;
  bool is_insecure = false;            // other machines in the clear
  std::uint64_t rate_limit_bytes = 0;  // sent in a second; 0: as fast as it goes
};

// `interruption` outlives the channel.
Result<std::unique_ptr<Channel>> connect_session(const TcpAddress& address,
                                                 const ConnectOptions& options,
                                                 const Interruption& interruption);

Status check_session_rate(std::uint64_t rate_limit_bytes);

// Why a side without key and certificates is refused.
inline constexpr const char* kNoKey =
    "only this machine itself is spoken to without --key or --cert, unless --insecure";

}  // namespace ddsnap
