#include <fmt/format.h>
#include <poll.h>

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <list>
#include <mutex>
#include <thread>

#include "ddsnap/base/daemon.h"
#include "ddsnap/base/stop_signals.h"
#include "ddsnap/cli/argument_parser.h"
#include "ddsnap/cli/help_texts.h"
#include "ddsnap/cli/verbs.h"
#include "ddsnap/cli/wall_clock.h"
#include "ddsnap/view/volume_watch.h"
#include "ddsnap/view/web_server.h"

namespace ddsnap {

namespace {

constexpr const char* kDefaultHistoryFolder = "/var/lib/ddsnap/web";

struct Options {
  std::string address = "127.0.0.1";
  std::string token_file;
  std::string config_folder = kDefaultConfigFolder;
  std::string history_folder = kDefaultHistoryFolder;
  int every_s = 10;
  std::vector<std::string> servers;
};

std::int64_t now_s() {
  return static_cast<std::int64_t>(wall_clock_ns() / 1'000'000'000);
}

// Looks at one volume until it is told to stop: a slow server delays no other.
void watch_volume(VolumeWatch& watch, std::chrono::seconds every, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any pause;
  std::string last_problem;
  while (!stop.stop_requested()) {
    const Status looked = watch.look(now_s());
    const std::string problem = looked ? "" : looked.error().message();
    if (problem != last_problem && !problem.empty()) fmt::print(stderr, "ddsnap: {}\n", problem);
    last_problem = problem;
    std::unique_lock lock(mutex);
    pause.wait_for(lock, stop, every, [] { return false; });
  }
}

std::string volumes_json(const std::list<VolumeWatch>& watches) {
  std::string text = "{\"volumes\":[";
  for (const VolumeWatch& watch : watches) {
    if (text.back() != '[') text += ',';
    text += watch.json();
  }
  return text + "]}\n";
}

std::string all_metrics(const std::list<VolumeWatch>& watches, MetricsForm form) {
  std::vector<VolumeFacts> all;
  for (const VolumeWatch& watch : watches) all.push_back(watch.facts());
  return metrics_text(all, form);
}

void wait_for_stop(int signal_fd) {
  pollfd one{.fd = signal_fd, .events = POLLIN, .revents = 0};
  for (;;) {
    const auto signal = next_signal(signal_fd);
    if (signal && *signal != SIGHUP) return;
    if (!signal) ::poll(&one, 1, -1);
  }
}

Result<int> serve(const Options& options, const WebAddress& address, WebAccess access,
                  const std::vector<VolumeName>& volumes) {
  const UniqueFd signals = DD_TRY(block_stop_signals());
  std::list<VolumeWatch> watches;
  for (const VolumeName& volume : volumes)
    watches.emplace_back(volume, options.config_folder, options.history_folder);
  const auto web = DD_TRY(WebServer::open(
      address, std::move(access),
      {.volumes_json = [&watches] { return volumes_json(watches); },
       .metrics = [&watches](MetricsForm form) { return all_metrics(watches, form); }}));
  std::list<std::jthread> watchers;
  for (VolumeWatch& watch : watches)
    watchers.emplace_back([&watch, &options](const std::stop_token& stop) {
      watch_volume(watch, std::chrono::seconds(options.every_s), stop);
    });
  std::jthread server([&web] { web->run(); });
  const bool is_ipv6 = address.host.find(':') != std::string::npos;
  fmt::print("http://{0}{1}{2}:{3}/\n", is_ipv6 ? "[" : "", address.host, is_ipv6 ? "]" : "",
             web->port());
  if (std::fflush(stdout) != 0) return fail_errno("cannot write to", "standard output");
  notify_service_manager("READY=1");
  wait_for_stop(signals.get());
  web->stop();
  return 0;
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
  parser.text_option("--config", "DIR", options.config_folder, kConfigHelp);
  parser.objects("SERVER", options.servers,
                 "Sockets of servers, which must answer now (default: those of all configurations)",
                 Need::kOptional);
  if (!DD_TRY(parser.parse(arguments))) return 0;

  const WebAddress address = DD_TRY(parse_web_address(options.address));
  std::string token;
  if (!options.token_file.empty()) token = DD_TRY(WebAccess::read_token(options.token_file));
  const auto volumes = DD_TRY(volume_names(options.servers, options.config_folder));
  for (const std::string& server : options.servers)
    DD_TRY(DD_TRY(ServerClient::connect(server)).status());
  return serve(options, address, WebAccess(std::move(token)), volumes);
}

}  // namespace ddsnap
