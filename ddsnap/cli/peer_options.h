// The options of every verb that speaks to another machine: --key, --cert, --ca, --insecure.
//
// Shape     Without key and certificates only this machine itself is spoken to, unless --insecure.
// Errors    kUsage for files that are none, and where neither key nor --insecure is given; as
//           connect_session().
// Threads   None inside.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "ddsnap/cli/argument_parser.h"
#include "ddsnap/replica/session_connect.h"
#include "ddsnap/replica/tcp_socket.h"
#include "ddsnap/replica/tls_link.h"

namespace ddsnap {

class PeerOptions {
 public:
  void declare(ArgumentParser& parser);
  void declare_keys(ArgumentParser& parser);  // of one who listens

  // `interruption` outlives the channel. A rate of 0 is none.
  Result<std::unique_ptr<Channel>> connect(const TcpAddress& address,
                                           std::uint64_t rate_limit_bytes,
                                           const Interruption& interruption) const;
  // What a listener at these sockets demands; none: it may listen in the clear.
  Result<std::optional<TlsContext>> listening(const std::vector<ListeningTcp>& sockets) const;

 private:
  TlsFiles files_;
  bool is_insecure_ = false;
};

}  // namespace ddsnap
