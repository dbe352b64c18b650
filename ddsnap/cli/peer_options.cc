#include "ddsnap/cli/peer_options.h"

#include <algorithm>

namespace ddsnap {

void PeerOptions::declare_keys(ArgumentParser& parser) {
  parser.text_option("--keys", "FOLDER", files_.keys,
                     "TLS with several keys: FOLDER/NAME.key is that of sender NAME, and "
                     "FOLDER/VOLUME/NAME.key that of one who may write this volume only. Read at "
                     "the start");
}

void PeerOptions::declare(ArgumentParser& parser) {
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

Result<std::unique_ptr<Channel>> PeerOptions::connect(const TcpAddress& address,
                                                      std::uint64_t rate_limit_bytes,
                                                      const Interruption& interruption) const {
  return connect_session(address, {files_, is_insecure_, rate_limit_bytes}, interruption);
}

Result<std::optional<TlsContext>> PeerOptions::listening(
    const std::vector<ListeningTcp>& sockets) const {
  if (!files_.is_empty()) return DD_TRY(TlsContext::make(files_, TlsContext::Role::kListens));
  if (is_insecure_ || std::ranges::all_of(sockets, &ListeningTcp::is_loopback)) return std::nullopt;
  return fail(ErrorCode::kUsage, std::string("listen: ") + kNoKey);
}

}  // namespace ddsnap
