// The page over HTTP: read-only, no scripts or pictures of others, nothing kept of who asks.
//
// Shape     GET / and the files it names, /api/volumes (JSON), /metrics; with a token also /login.
//           Everything else is refused. No TLS: beyond this host it belongs behind ssh or a proxy.
// Errors    open(): kUsage for an address that is not this host's loopback without a token; kBusy
//           where somebody listens there already, kIo otherwise.
// Threads   run() in one thread; stop() from any. The functions of Content are called from several.
// Lifetime  Borrows what Content's functions borrow.
// Source    cpp-httplib, which stays inside the .cc file.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "ddsnap/base/result.h"
#include "ddsnap/view/metrics_text.h"
#include "ddsnap/view/web_access.h"

namespace ddsnap {

class WebServer {
 public:
  struct Content {
    std::function<std::string()> volumes_json;
    std::function<std::string(MetricsForm)> metrics;
  };
  // Port 0: any that is free.
  static Result<std::unique_ptr<WebServer>> open(const WebAddress& address, WebAccess access,
                                                 Content content);
  ~WebServer();

  int port() const;
  // Until stop(), which ends it also where it has only just been called.
  void run();
  // Requires: run() was called, or another thread is about to.
  void stop();

 private:
  struct Impl;
  explicit WebServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace ddsnap
