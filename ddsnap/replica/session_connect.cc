#include "ddsnap/replica/session_connect.h"

#include <fmt/format.h>

#include <optional>

#include "ddsnap/base/limits.h"

namespace ddsnap {

Status check_session_rate(std::uint64_t rate_limit_bytes) {
  if (rate_limit_bytes == 0 || rate_limit_bytes >= kMinSessionRateBytes) return {};
  return fail(ErrorCode::kUsage,
              fmt::format("a session is not limited to less than {} bytes a second: the other side "
                          "would give it up",
                          kMinSessionRateBytes));
}

Result<std::unique_ptr<Channel>> connect_session(const TcpAddress& address,
                                                 const ConnectOptions& options,
                                                 const Interruption& interruption) {
  DD_TRY(check_session_rate(options.rate_limit_bytes));
  std::optional<TlsContext> tls;
  if (!options.files.is_empty())
    tls = DD_TRY(TlsContext::make(options.files, TlsContext::Role::kConnects));
  UniqueFd socket = DD_TRY(connect_tcp(address, kConnectTimeout_ms, interruption));
  if (!tls && !options.is_insecure && !is_loopback_peer(socket.get()))
    return fail(ErrorCode::kUsage, fmt::format("{}: {}", address.to_string(), kNoKey));
  auto link = tls ? tls->handshake(std::move(socket), address.host,
                                   Deadline::after_ms(kSessionHelloPatience_ms), interruption)
                  : make_socket_link(std::move(socket));
  if (!link) return with_context(address.to_string(), std::move(link).error());
  return std::make_unique<Channel>(*std::move(link), address.to_string(),
                                   ChannelOptions{.rate_limit = RateLimit(options.rate_limit_bytes),
                                                  .interruption = &interruption});
}

}  // namespace ddsnap
