#include "ddsnap/replica/tls_link.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>

#include "ddsnap/base/limits.h"
#include "ddsnap/delta/byte_stream.h"

namespace ddsnap {

namespace {

constexpr std::string_view kSessionName = "ddsnap";
constexpr unsigned char kCipherId[2] = {0x13, 0x01};  // TLS_AES_128_GCM_SHA256
constexpr const char* kCipher = "TLS_AES_128_GCM_SHA256";
constexpr int kKeySlot = 0;     // of a context's application data
constexpr int kSenderSlot = 0;  // of a connection's

template <auto kFree>
struct Freeing {
  template <class T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using Ssl = std::unique_ptr<SSL, Freeing<SSL_free>>;
using SslCtx = std::unique_ptr<SSL_CTX, Freeing<SSL_CTX_free>>;

std::string openssl_reason() {
  const unsigned long code = ::ERR_peek_last_error();
  const char* const reason = ::ERR_reason_error_string(code);
  ::ERR_clear_error();
  return reason == nullptr ? "no reason given" : reason;
}

std::unexpected<Error> bad_file(const std::string& path, const std::string& what) {
  return fail(ErrorCode::kUsage, fmt::format("{}: {}", path, what));
}

// What both sides would know of each other after an earlier session.
SSL_SESSION* make_psk_session(SSL* ssl, std::span<const unsigned char> key) {
  std::unique_ptr<SSL_SESSION, Freeing<SSL_SESSION_free>> session(::SSL_SESSION_new());
  const SSL_CIPHER* const cipher = ::SSL_CIPHER_find(ssl, kCipherId);
  if (session == nullptr || cipher == nullptr) return nullptr;
  if (::SSL_SESSION_set1_master_key(session.get(), key.data(), key.size()) != 1 ||
      ::SSL_SESSION_set_cipher(session.get(), cipher) != 1 ||
      ::SSL_SESSION_set_protocol_version(session.get(), TLS1_3_VERSION) != 1)
    return nullptr;
  return session.release();
}

// Of the side that connects the one key, of the other all.
const SessionKey& key_of(SSL* ssl) {
  return *static_cast<const SessionKey*>(::SSL_CTX_get_ex_data(::SSL_get_SSL_CTX(ssl), kKeySlot));
}
const KeyRing& keys_of(SSL* ssl) {
  return *static_cast<const KeyRing*>(::SSL_CTX_get_ex_data(::SSL_get_SSL_CTX(ssl), kKeySlot));
}

int offer_key(SSL* ssl, const EVP_MD* /*md*/, const unsigned char** identity, std::size_t* length,
              SSL_SESSION** session) {
  const SessionKey& key = key_of(ssl);
  *session = make_psk_session(ssl, key.bytes);
  *identity = reinterpret_cast<const unsigned char*>(key.identity.data());
  *length = key.identity.size();
  return *session == nullptr ? 0 : 1;
}

int find_key(SSL* ssl, const unsigned char* identity, std::size_t length, SSL_SESSION** session) {
  *session = nullptr;
  const KnownSender* const sender =
      keys_of(ssl).find({reinterpret_cast<const char*>(identity), length});
  if (sender == nullptr) return 1;
  *session = make_psk_session(ssl, sender->key.bytes);
  if (*session == nullptr ||
      ::SSL_set_ex_data(ssl, kSenderSlot, const_cast<KnownSender*>(sender)) != 1)
    return 0;
  return 1;
}

Status use_certificates(SSL_CTX* context, const TlsFiles& files) {
  if (files.certificate.empty() || files.authority.empty())
    return fail(ErrorCode::kUsage, "a certificate and its authority are given together");
  DD_TRY(check_private(files.certificate));
  const char* const path = files.certificate.c_str();
  if (::SSL_CTX_use_certificate_chain_file(context, path) != 1)
    return bad_file(files.certificate, "no certificate: " + openssl_reason());
  if (::SSL_CTX_use_PrivateKey_file(context, path, SSL_FILETYPE_PEM) != 1 ||
      ::SSL_CTX_check_private_key(context) != 1)
    return bad_file(files.certificate, "no private key of it: " + openssl_reason());
  if (::SSL_CTX_load_verify_locations(context, files.authority.c_str(), nullptr) != 1)
    return bad_file(files.authority, "no certificate: " + openssl_reason());
  return {};
}

class TlsLink final : public ByteLink {
 public:
  TlsLink(std::shared_ptr<void> keys, Ssl ssl, UniqueFd socket)
      : keys_(std::move(keys)), socket_(std::move(socket)), ssl_(std::move(ssl)) {}

  Result<Step> read_some(std::span<std::byte> into) override {
    const int size = static_cast<int>(std::min<std::size_t>(into.size(), INT_MAX));
    ::ERR_clear_error();
    const int got = ::SSL_read(ssl_.get(), into.data(), size);
    return judge(got, "reading");
  }
  Result<Step> write_some(std::span<const std::byte> from) override {
    const int size = static_cast<int>(std::min<std::size_t>(from.size(), INT_MAX));
    ::ERR_clear_error();
    const int put = ::SSL_write(ssl_.get(), from.data(), size);
    return judge(put, "writing");
  }
  void end_writing() override {
    ::SSL_shutdown(ssl_.get());
    ::shutdown(socket_.get(), SHUT_WR);
  }
  const KnownSender* sender() const override {
    return static_cast<const KnownSender*>(::SSL_get_ex_data(ssl_.get(), kSenderSlot));
  }
  int read_fd() const override { return socket_.get(); }
  int write_fd() const override { return socket_.get(); }

  // Whether it is done; else it wants to be called again when `wants` is there.
  Result<Step> shake_hands() {
    ::ERR_clear_error();
    return judge(::SSL_do_handshake(ssl_.get()), "the handshake");
  }
  bool has_used_key() const { return ::SSL_session_reused(ssl_.get()) == 1; }

 private:
  Result<Step> judge(int result, const char* act) const {
    if (result > 0) return Step{.bytes = static_cast<std::size_t>(result)};
    switch (::SSL_get_error(ssl_.get(), result)) {
      case SSL_ERROR_WANT_READ:
        return Step{.wants = POLLIN};
      case SSL_ERROR_WANT_WRITE:
        return Step{.wants = POLLOUT};
      case SSL_ERROR_ZERO_RETURN:
      case SSL_ERROR_SYSCALL:
        return fail(ErrorCode::kDisconnected, "the other side hung up");
      default:
        return fail(ErrorCode::kFailed, fmt::format("TLS: {} failed: {}", act, openssl_reason()));
    }
  }

  std::shared_ptr<void> keys_;  // the context's application data points there
  UniqueFd socket_;
  Ssl ssl_;
};

Status wait_for(const TlsLink& link, short wants, Deadline deadline,
                const Interruption& interruption) {
  pollfd asked[2] = {{.fd = interruption.fd(), .events = POLLIN, .revents = 0},
                     {.fd = link.read_fd(), .events = wants, .revents = 0}};
  const int ready = ::poll(asked, 2, deadline.poll_timeout_ms());
  if (ready < 0 && errno != EINTR) return fail_errno("cannot wait for", "a connection");
  DD_TRY(interruption.check());
  if (ready == 0 && deadline.has_passed())
    return fail(ErrorCode::kBusy, "TLS: the handshake took too long");
  return {};
}

}  // namespace

struct TlsContext::Keys {
  SessionKey own;  // of the side that connects
  KeyRing known;   // of the one that listens
  bool has_key = false;
  SslCtx context;
};

Result<TlsContext> TlsContext::make(const TlsFiles& files, Role role) {
  const bool has_certificates = !files.certificate.empty() || !files.authority.empty();
  if (has_certificates + !files.key.empty() + !files.keys.empty() > 1)
    return fail(ErrorCode::kUsage, "a key, a folder of keys or certificates, only one of them");
  auto keys = std::make_shared<Keys>();
  keys->context.reset(::SSL_CTX_new(::TLS_method()));
  SSL_CTX* const context = keys->context.get();
  if (context == nullptr || ::SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
      ::SSL_CTX_set_ciphersuites(context, kCipher) != 1 ||
      ::SSL_CTX_set_num_tickets(context, 0) != 1)
    return fail(ErrorCode::kFailed, "OpenSSL: " + openssl_reason());
  ::SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  if (role == Role::kListens) {  // else what the key stands for would be a session of nobody's
    const auto* const name = reinterpret_cast<const unsigned char*>(kSessionName.data());
    if (::SSL_CTX_set_session_id_context(context, name, kSessionName.size()) != 1)
      return fail(ErrorCode::kFailed, "OpenSSL: " + openssl_reason());
  }
  ::SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  ::SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  if (has_certificates) {
    DD_TRY(use_certificates(context, files));
    return TlsContext(std::move(keys), role);
  }
  keys->has_key = true;
  if (role == Role::kConnects) {
    keys->own = DD_TRY(SessionKey::read(files.key));
    ::SSL_CTX_set_psk_use_session_callback(context, offer_key);
  } else {
    keys->known = files.keys.empty() ? DD_TRY(KeyRing::of_file(files.key))
                                     : DD_TRY(KeyRing::of_folder(files.keys));
                                     ::SSL_CTX_set_psk_find_session_callback(context, find_key);
  }
  void* const ours = role == Role::kConnects ? static_cast<void*>(&keys->own) : &keys->known;
  if (::SSL_CTX_set_ex_data(context, kKeySlot, ours) != 1)
    return fail(ErrorCode::kFailed, "OpenSSL: " + openssl_reason());
  return TlsContext(std::move(keys), role);
}

Result<std::unique_ptr<ByteLink>> TlsContext::handshake(UniqueFd socket, const std::string& host,
                                                        Deadline deadline,
                                                        const Interruption& interruption) const {
  const int flags = ::fcntl(socket.get(), F_GETFL);
  if (::fcntl(socket.get(), F_SETFL, flags | O_NONBLOCK) != 0)
    return fail_errno("cannot make non-blocking", "a socket");
  Ssl ssl(::SSL_new(keys_->context.get()));
  if (ssl == nullptr || ::SSL_set_fd(ssl.get(), socket.get()) != 1)
    return fail(ErrorCode::kFailed, "OpenSSL: " + openssl_reason());
  if (!keys_->has_key && !host.empty() && ::SSL_set1_host(ssl.get(), host.c_str()) != 1)
    return fail(ErrorCode::kUsage, host + ": no name of a host");
  if (role_ == Role::kConnects) {
    ::SSL_set_connect_state(ssl.get());
  } else {
    ::SSL_set_accept_state(ssl.get());
  }
  auto link = std::make_unique<TlsLink>(keys_, std::move(ssl), std::move(socket));
  for (;;) {
    const auto step = link->shake_hands();
    if (!step && step.error().code == ErrorCode::kFailed)
      return fail(ErrorCode::kFailed, step.error().text +
                                          "; do both sides have the same key, or "
                                          "certificates of the same authority?");
    if (!step) return std::unexpected(step.error());
    if (step->bytes > 0) break;
    DD_TRY(wait_for(*link, step->wants, deadline, interruption));
  }
  if (keys_->has_key && !link->has_used_key())
    return fail(ErrorCode::kFailed, "TLS: the other side did not use the key");
  return link;
}

}  // namespace ddsnap
