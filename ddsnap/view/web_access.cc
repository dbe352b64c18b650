#include "ddsnap/view/web_access.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "ddsnap/base/limits.h"
#include "ddsnap/replica/text_file.h"

namespace ddsnap {

namespace {

constexpr std::string_view kCookieName = "ddsnap_web=";
constexpr std::string_view kBearer = "Bearer ";

// Not the token itself: a cookie that leaks is worth this page alone.
std::string derived(const std::string& token) {
  const std::string text = "ddsnap web cookie\n" + token;
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned length = 0;
  DD_CHECK(EVP_Digest(text.data(), text.size(), digest.data(), &length, EVP_sha256(), nullptr) ==
           1);
  std::string result;
  for (unsigned i = 0; i < length; ++i) result += fmt::format("{:02x}", digest.at(i));
  return result;
}

bool is_same(std::string_view one, std::string_view other) {
  return one.size() == other.size() && CRYPTO_memcmp(one.data(), other.data(), one.size()) == 0;
}

std::string_view without_port(std::string_view host) {
  if (host.starts_with('[')) return host.substr(0, host.find(']') + 1);
  return host.substr(0, host.find(':'));
}

}  // namespace

WebAccess::WebAccess(std::string token)
    : token_(std::move(token)), cookie_value_(token_.empty() ? "" : derived(token_)) {}

Result<std::string> WebAccess::read_token(const std::string& path) {
  const std::string text = DD_TRY(read_text_file(path));
  std::string token = text.substr(0, text.find_first_of("\r\n"));
  if (token.size() < kMinKeyCharacters)
    return fail(
        ErrorCode::kUsage,
        fmt::format("{}: a token has at least {} characters; 'openssl rand -hex 32' makes one",
                    path, kMinKeyCharacters));
  return token;
}

bool WebAccess::accepts_host(std::string_view host_header) const {
  if (wants_token()) return true;
  const std::string_view host = without_port(host_header);
  return host == "localhost" || host == "127.0.0.1" || host == "[::1]";
}

bool WebAccess::accepts_token(std::string_view token) const {
  return is_same(token, token_);
}

bool WebAccess::accepts_headers(std::string_view authorization, std::string_view cookies) const {
  if (!wants_token()) return true;
  if (authorization.starts_with(kBearer) && accepts_token(authorization.substr(kBearer.size())))
    return true;
  while (!cookies.empty()) {
    std::string_view one = cookies.substr(0, cookies.find(';'));
    cookies.remove_prefix(std::min(cookies.size(), one.size() + 1));
    one.remove_prefix(std::min(one.size(), one.find_first_not_of(' ')));
    if (one.starts_with(kCookieName) && is_same(one.substr(kCookieName.size()), cookie_value_))
      return true;
  }
  return false;
}

std::string WebAccess::cookie() const {
  return fmt::format("{}{}; Path=/; HttpOnly; SameSite=Strict; Max-Age=2592000", kCookieName,
                     cookie_value_);
}

bool WebAddress::is_loopback() const {
  return host == "localhost" || host == "127.0.0.1" || host == "::1";
}

Result<WebAddress> parse_web_address(const std::string& text) {
  WebAddress address;
  const auto bad = [&] {
    return fail(ErrorCode::kUsage,
                fmt::format("'{}' is no address: HOST, HOST:PORT, [IPV6]:PORT or :PORT", text));
  };
  std::string port;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string::npos) return bad();
    address.host = text.substr(1, end - 1);
    if (end + 1 < text.size() && text[end + 1] != ':') return bad();
    port = text.substr(std::min(text.size(), end + 2));
  } else {
    const std::size_t colon = text.find(':');
    address.host = text.substr(0, colon);
    if (colon != std::string::npos) port = text.substr(colon + 1);
    if (colon == 0) address.host = "0.0.0.0";
  }
  if (port.find_first_not_of("0123456789") != std::string::npos || port.size() > 5) return bad();
  if (!port.empty()) address.port = std::stoi(port);
  if (address.host.empty() || address.port > 65535) return bad();
  return address;
}

}  // namespace ddsnap
