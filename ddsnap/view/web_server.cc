#include "ddsnap/view/web_server.h"

#include <fmt/format.h>
#include <httplib.h>

#include <atomic>
#include <cerrno>
#include <thread>

#include "ddsnap/view/page_files.h"

namespace ddsnap {

namespace {

constexpr std::size_t kMaxBodyBytes = 4096;
constexpr std::size_t kWorkers = 8;
constexpr time_t kTimeout_s = 5;
constexpr std::size_t kRequestsPerConnection = 100;

constexpr const char* kHtml = "text/html; charset=utf-8";

// Nothing from anywhere else runs, is shown, or shows us in its frame.
const httplib::Headers kHeaders = {
    {"Content-Security-Policy",
     "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
     "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"},
    {"X-Content-Type-Options", "nosniff"},
    {"Referrer-Policy", "no-referrer"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
    {"Cache-Control", "no-store"}};

const char* type_of(std::string_view name) {
  if (name.ends_with(".js")) return "text/javascript; charset=utf-8";
  if (name.ends_with(".css")) return "text/css; charset=utf-8";
  if (name.ends_with(".svg")) return "image/svg+xml";
  return kHtml;
}

void set_file(httplib::Response& response, std::string_view name) {
  const std::string_view content = page_file(name);
  response.set_content(content.data(), content.size(), type_of(name));
}

void refuse(httplib::Response& response, int status, const std::string& sentence) {
  response.status = status;
  response.set_content(sentence + "\n", "text/plain; charset=utf-8");
}

}  // namespace

struct WebServer::Impl {
  Impl(WebAccess who, Content what) : access(std::move(who)), content(std::move(what)) {}

  WebAccess access;
  Content content;
  httplib::Server http;
  int port = 0;
  std::atomic<bool> has_ended = false;

  void set_up();
  bool is_handled(const httplib::Request& request, httplib::Response& response) const;
  void log_in(const httplib::Request& request, httplib::Response& response) const;
  void give_metrics(const httplib::Request& request, httplib::Response& response) const;
};

// Before anything is looked up: who may, and what.
bool WebServer::Impl::is_handled(const httplib::Request& request,
                                 httplib::Response& response) const {
  const bool is_login = access.wants_token() && request.path == "/login";
  const bool is_read = request.method == "GET" || request.method == "HEAD";
  if (!is_read && !(is_login && request.method == "POST")) {
    response.set_header("Allow", "GET, HEAD");
    refuse(response, 405, "this page is read-only");
    return true;
  }
  if (!access.accepts_host(request.get_header_value("Host"))) {
    refuse(response, 421, "this server goes by 'localhost' or its loopback address");
    return true;
  }
  if (is_login || request.path == "/style.css") return false;
  if (access.accepts_headers(request.get_header_value("Authorization"),
                             request.get_header_value("Cookie")))
    return false;
  if (request.path == "/") {
    response.set_redirect("/login", 303);
  } else {
    response.set_header("WWW-Authenticate", "Bearer");
    refuse(response, 401, "a token is wanted");
  }
  return true;
}

void WebServer::Impl::log_in(const httplib::Request& request, httplib::Response& response) const {
  if (!access.accepts_token(request.get_param_value("token"))) {
    response.status = 403;
    set_file(response, "login.html");
    return;
  }
  response.set_header("Set-Cookie", access.cookie());
  response.set_redirect("/", 303);
}

void WebServer::Impl::give_metrics(const httplib::Request& request,
                                   httplib::Response& response) const {
  const bool is_open =
      request.get_header_value("Accept").find("application/openmetrics-text") != std::string::npos;
  const MetricsForm form = is_open ? MetricsForm::kOpenMetrics : MetricsForm::kPrometheus;
  response.set_content(content.metrics(form), is_open ? kOpenMetricsType : kPrometheusType);
}

void WebServer::Impl::set_up() {
  http.set_default_headers(kHeaders);
  http.set_payload_max_length(kMaxBodyBytes);
  http.set_read_timeout(kTimeout_s, 0);
  http.set_write_timeout(kTimeout_s, 0);
  http.set_keep_alive_max_count(kRequestsPerConnection);
  http.set_keep_alive_timeout(kTimeout_s);
  http.new_task_queue = [] { return new httplib::ThreadPool(kWorkers); };
  // Never a port that another process already has.
  http.set_socket_options([](int fd) {
    const int yes = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  });
  http.set_pre_routing_handler([this](const auto& request, auto& response) {
    return is_handled(request, response) ? httplib::Server::HandlerResponse::Handled
                                         : httplib::Server::HandlerResponse::Unhandled;
  });
  http.set_exception_handler([](const auto&, auto& response, const std::exception_ptr&) {
    refuse(response, 500, "that went wrong");
  });
  http.set_error_handler([](const auto&, auto& response) {
    if (response.body.empty()) refuse(response, response.status, "there is nothing here");
  });
  http.Get("/", [](const auto&, auto& response) { set_file(response, "index.html"); });
  for (const char* const name : {"page.js", "style.css"})
    http.Get(std::string("/") + name,
             [name](const auto&, auto& response) { set_file(response, name); });
  http.Get("/api/volumes", [this](const auto&, auto& response) {
    response.set_content(content.volumes_json(), "application/json");
  });
  http.Get("/metrics",
           [this](const auto& request, auto& response) { give_metrics(request, response); });
  if (!access.wants_token()) return;
  http.Get("/login", [](const auto&, auto& response) { set_file(response, "login.html"); });
  http.Post("/login", [this](const auto& request, auto& response) { log_in(request, response); });
}

WebServer::WebServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
WebServer::~WebServer() = default;

Result<std::unique_ptr<WebServer>> WebServer::open(const WebAddress& address, WebAccess access,
                                                   Content content) {
  if (!address.is_loopback() && !access.wants_token())
    return fail(ErrorCode::kUsage,
                fmt::format("{}: beyond this host's loopback a --token is wanted", address.host));
  auto impl = std::make_unique<Impl>(std::move(access), std::move(content));
  impl->set_up();
  errno = 0;
  if (address.port == 0) {
    impl->port = impl->http.bind_to_any_port(address.host.c_str());
    if (impl->port <= 0) return fail_errno("cannot listen at", address.host);
  } else {
    impl->port = address.port;
    if (!impl->http.bind_to_port(address.host.c_str(), address.port)) {
      const std::string name = fmt::format("{}:{}", address.host, address.port);
      if (errno == EADDRINUSE)
        return fail(ErrorCode::kBusy, fmt::format("{}: somebody listens there already", name));
      return fail_errno("cannot listen at", name);
    }
  }
  return std::unique_ptr<WebServer>(new WebServer(std::move(impl)));
}

int WebServer::port() const {
  return impl_->port;
}

void WebServer::run() {
  impl_->http.listen_after_bind();
  impl_->has_ended = true;
}

void WebServer::stop() {
  // httplib forgets a stop() that comes before its loop has begun.
  while (!impl_->http.is_running() && !impl_->has_ended) std::this_thread::yield();
  impl_->http.stop();
}

}  // namespace ddsnap
