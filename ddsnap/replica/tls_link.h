// TLS 1.3 over a connected socket: both sides prove that they hold the same key, or certificates of
// an authority that both trust.
//
// Shape     Keys are those of session_keys.h. Key exchange is ephemeral, so that who learns the key
//           later reads no earlier session. No tickets, no resumption, no early data.
// Errors    TlsContext::make(): kUsage for files that are none, and for a key that others may read.
//           handshake(): kFailed when the other side has another key or none; kBusy, kInterrupted,
//           kDisconnected.
// Threads   A context may be shared by several; a link is used by one at a time.
// Source    RFC 8446; OpenSSL 3.
#pragma once

#include <memory>
#include <string>

#include "ddsnap/base/interruption.h"
#include "ddsnap/replica/byte_link.h"
#include "ddsnap/replica/session_keys.h"
#include "ddsnap/wire/deadline.h"

struct ssl_ctx_st;

namespace ddsnap {

struct TlsFiles {
  std::string key;          // a pre-shared key; empty: none
  std::string keys;         // of the side that listens: a folder with a key for each sender
  std::string certificate;  // PEM: our certificate, those between it and the authority, our key
  std::string authority;    // PEM: who signs the other side's certificate
  bool is_empty() const {
    return key.empty() && keys.empty() && certificate.empty() && authority.empty();
  }
};

class TlsContext {
 public:
  enum class Role { kConnects, kListens };
  static Result<TlsContext> make(const TlsFiles& files, Role role);

  // `host` is what the other side's certificate must name; empty: whatever the authority signed.
  Result<std::unique_ptr<ByteLink>> handshake(UniqueFd socket, const std::string& host,
                                              Deadline deadline,
                                              const Interruption& interruption) const;

 private:
  struct Keys;
  TlsContext(std::shared_ptr<Keys> keys, Role role) : keys_(std::move(keys)), role_(role) {}

  std::shared_ptr<Keys> keys_;  // shared: by the links that were made with it
  Role role_;
};

}  // namespace ddsnap
