#include "ddsnap/cli/link_options.h"

#include <fmt/format.h>

#include <algorithm>

#include "ddsnap/base/limits.h"
#include "ddsnap/cli/size_text.h"

namespace ddsnap {

namespace {

constexpr const char* kNoKey =
    "only this machine itself is spoken to without --key or --cert, unless --insecure";

}  // namespace

void LinkOptions::declare(ArgumentParser& parser) {
  parser.text_option("--key", "FILE", files_.key,
                     "TLS with the key in this file, the same on both sides ('openssl rand -hex "
                     "32 > FILE; chmod 600 FILE')");
  parser.text_option("--cert", "FILE", files_.certificate,
                     "TLS with this certificate, its key in the same PEM file; with --ca");
  parser.text_option("--ca", "FILE", files_.authority,
                     "Who signed the other side's certificate (PEM)");
  parser.flag("--insecure", is_insecure_,
              "Speak to other machines without TLS: who is between them reads and writes it all");
}

Status check_session_rate(std::uint64_t rate_limit_bytes) {
  if (rate_limit_bytes == 0 || rate_limit_bytes >= kMinSessionRateBytes) return {};
  return fail(ErrorCode::kUsage,
              fmt::format("--rate-limit: at least {} a second", human_bytes(kMinSessionRateBytes)));
}

Result<std::unique_ptr<Channel>> LinkOptions::connect(const TcpAddress& address,
                                                      std::uint64_t rate_limit_bytes,
                                                      const Interruption& interruption) const {
  DD_TRY(check_session_rate(rate_limit_bytes));
  std::optional<TlsContext> tls;
  if (!files_.is_empty()) tls = DD_TRY(TlsContext::make(files_, TlsContext::Role::kConnects));
  UniqueFd socket = DD_TRY(connect_tcp(address, kConnectTimeout_ms, interruption));
  if (!tls && !is_insecure_ && !is_loopback_peer(socket.get()))
    return fail(ErrorCode::kUsage, fmt::format("{}: {}", address.to_string(), kNoKey));
  auto link = tls ? tls->handshake(std::move(socket), address.host,
                                   Deadline::after_ms(kSessionHelloPatience_ms), interruption)
                  : make_socket_link(std::move(socket));
  if (!link) return with_context(address.to_string(), std::move(link).error());
  return std::make_unique<Channel>(
      *std::move(link), address.to_string(),
      ChannelOptions{.rate_limit = RateLimit(rate_limit_bytes), .interruption = &interruption});
}

Result<std::optional<TlsContext>> LinkOptions::listening(
    const std::vector<ListeningTcp>& sockets) const {
  if (!files_.is_empty()) return DD_TRY(TlsContext::make(files_, TlsContext::Role::kListens));
  if (is_insecure_ || std::ranges::all_of(sockets, &ListeningTcp::is_loopback)) return std::nullopt;
  return fail(ErrorCode::kUsage, std::string("listen: ") + kNoKey);
}

}  // namespace ddsnap
