#include <fmt/format.h>
#include <poll.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <thread>

#include "ddsnap/base/daemon.h"
#include "ddsnap/base/stop_signals.h"
#include "ddsnap/cli/argument_parser.h"
#include "ddsnap/cli/verbs.h"
#include "ddsnap/view/watched_volumes.h"
#include "ddsnap/view/web_server.h"

namespace ddsnap {

namespace {

constexpr const char* kDefaultHistoryFolder = "/var/lib/ddsnap/web";

struct Options {
  std::string address = "127.0.0.1";
  std::string token_file;
  std::string config_folder = default_config_folder();
  std::string history_folder = kDefaultHistoryFolder;
  int every_s = 10;
  std::vector<std::string> servers;
};

std::string url_of(const WebAddress& address, int port) {
  const bool is_ipv6 = address.host.find(':') != std::string::npos;
  return fmt::format("http://{0}{1}{2}:{3}/", is_ipv6 ? "[" : "", address.host, is_ipv6 ? "]" : "",
                     port);
}

// SIGHUP looks for configurations at once.
Status follow_until_stopped(int signal_fd, const Options& options, WatchedVolumes& volumes) {
  pollfd one{.fd = signal_fd, .events = POLLIN, .revents = 0};
  for (;;) {
    if (::poll(&one, 1, options.every_s * 1000) < 0 && errno != EINTR)
      return fail_errno("cannot wait for", "signals");
    if (const auto signal = next_signal(signal_fd); signal && *signal != SIGHUP) return {};
    if (options.servers.empty()) volumes.follow();
  }
}

Result<int> serve(const Options& options, const WebAddress& address, WebAccess access) {
  const UniqueFd signals = DD_TRY(block_stop_signals());
  WatchedVolumes volumes(
      {.config_folder = options.config_folder,
       .history_folder = options.history_folder,
       .every = std::chrono::seconds(options.every_s),
       .tell = [](const std::string& problem) { fmt::print(stderr, "ddsnap: {}\n", problem); }});
  if (options.servers.empty())
    volumes.follow();
  else
    for (const VolumeName& volume : DD_TRY(volume_names(options.servers, options.config_folder)))
      volumes.add(volume);
  const auto web = DD_TRY(WebServer::open(
      address, std::move(access),
      {.volumes_json = [&volumes] { return volumes.json(); },
       .metrics = [&volumes](MetricsForm form) { return metrics_text(volumes.facts(), form); }}));
  fmt::print("{}\n", url_of(address, web->port()));
  if (std::fflush(stdout) != 0) return fail_errno("cannot write to", "standard output");
  std::jthread server([&web] { web->run(); });
  notify_service_manager("READY=1");
  const Status stopped = follow_until_stopped(signals.get(), options, volumes);
  web->stop();
  DD_TRY(stopped);
  return 0;
}

// Whoever names something wants it now; configurations may come later, but not their folder.
Status check_there_is_something(const Options& options) {
  for (const std::string& server : options.servers)
    DD_TRY(DD_TRY(ServerClient::connect(server)).status());
  if (!options.servers.empty() || config_names(options.config_folder)) return {};
  return fail(ErrorCode::kUsage,
              fmt::format("no SERVER is named, and there is no folder {} with configurations",
                          options.config_folder));
}

}  // namespace

Result<int> cmd_web(Arguments arguments) {
  Options options;
  ArgumentParser parser(
      {.name = "web",
       .usage = "[--listen ADDRESS] [--token FILE] [--config DIR] [SERVER...]",
       .summary =
           "Serves a page that shows volumes, and metrics at /metrics, until it is stopped.\n"
           "Read-only; at this host's loopback, unless a token says who may look."});
  parser.text_option("--listen", "ADDRESS", options.address,
                     "HOST, HOST:PORT, [IPV6]:PORT or :PORT, all addresses (default "
                     "127.0.0.1:4330; port 0: any)");
  parser.text_option("--token", "FILE", options.token_file,
                     "Show the page only to who knows the first line of FILE");
  parser.number_option("--every", 1, 3600, options.every_s,
                       "Look at the volumes every so many seconds (default 10)");
  parser.text_option("--history", "DIR", options.history_folder,
                     "Keep the curves of the last week there (default /var/lib/ddsnap/web)");
  parser.config_option(options.config_folder);
  parser.servers(
      options.servers,
      "Volumes' names, or sockets of servers, which must answer now (default: all configured "
      "volumes, as they come and go)");
  if (!DD_TRY(parser.parse(arguments))) return 0;

  const WebAddress address = DD_TRY(parse_web_address(options.address));
  std::string token;
  if (!options.token_file.empty()) token = DD_TRY(WebAccess::read_token(options.token_file));
  DD_TRY(check_there_is_something(options));
  return serve(options, address, WebAccess(std::move(token)));
}

}  // namespace ddsnap
