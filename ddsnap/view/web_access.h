// Who may look at the page: on the loopback everybody of this host, else who has the token.
//
// Shape     The token comes as "Authorization: Bearer TOKEN" or, from the page's own form, as a
//           cookie that is derived from it. Without a token the request must name the host by a
//           loopback name, so that no foreign page reaches ours through its own name (DNS
//           rebinding).
// Errors    read_token(): kUsage for one that is too short; as the file says.
// Threads   A plain value.
#pragma once

#include <string>
#include <string_view>

#include "ddsnap/base/result.h"

namespace ddsnap {

class WebAccess {
 public:
  // Empty: no token is asked for.
  explicit WebAccess(std::string token);
  // The first line of a file, at least kMinKeyCharacters long.
  static Result<std::string> read_token(const std::string& path);

  bool wants_token() const { return !token_.empty(); }
  bool accepts_host(std::string_view host_header) const;
  bool accepts_token(std::string_view token) const;
  bool accepts_headers(std::string_view authorization, std::string_view cookies) const;
  // What Set-Cookie says to somebody who knew the token.
  std::string cookie() const;

 private:
  std::string token_;
  std::string cookie_value_;
};

struct WebAddress {
  std::string host = "127.0.0.1";
  int port = 4330;
  bool is_loopback() const;
};
// "HOST", "HOST:PORT", "[IPV6]:PORT", ":PORT" (all addresses). kUsage.
Result<WebAddress> parse_web_address(const std::string& text);

}  // namespace ddsnap
