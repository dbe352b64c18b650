#include <fmt/format.h>
#include <unistd.h>

#include "ddsnap/base/daemon.h"
#include "ddsnap/base/daemon_log.h"
#include "ddsnap/base/stop_signals.h"
#include "ddsnap/cli/argument_parser.h"
#include "ddsnap/cli/peer_options.h"
#include "ddsnap/cli/verbs.h"
#include "ddsnap/replica/listener.h"
#include "ddsnap/replica/server_address.h"

namespace ddsnap {

namespace {

constexpr const char* kDefaultListenLog = "/var/log/ddsnap.listen.log";

struct Options {
  bool is_stdio = false;
  bool is_foreground = false;
  std::string log;
  std::string pid_file;
  int workers = 0;
  PeerOptions link;
  std::vector<std::string> objects;
};

Result<ServedVolumes> served_volumes(const std::vector<std::string>& words) {
  ServedVolumes volumes = DD_TRY(parse_served_volumes(words));
  for (auto& [name, device] : volumes) device = DD_TRY(volume_or_device(device));
  return volumes;
}

// One session over what sshd, or whoever else started us, has at the other end.
Status serve_stdio(const Options& options, const ServedVolumes& volumes) {
  WorkContext context {
    .interruption = DD_TRY(Interruption::by_signals())
  };
  if (options.workers > 0) context.workers = static_cast<unsigned>(options.workers);
  const auto log = DD_TRY(Logger::open(options.log));
  auto link = DD_TRY(make_pipe_link(UniqueFd(::dup(STDIN_FILENO)), UniqueFd(::dup(STDOUT_FILENO))));
  Channel channel(std::move(link), "stdin", {.interruption = &context.interruption});
  const ReceiverOptions how{
      .open = [&](const std::string& volume) -> Result<std::unique_ptr<SessionTarget>> {
        return open_session_target(DD_TRY(find_served_volume(volumes, volume)));
      }};
  return serve_session(channel, how, *log, context);
}

Status listen(const Options& options, const TcpAddress& address, const ServedVolumes& volumes,
              Daemon& daemon) {
  const UniqueFd signals = DD_TRY(block_stop_signals());
  const auto log = DD_TRY(open_daemon_log(options.log, options.is_foreground, kDefaultListenLog));
  const auto sockets = DD_TRY(listen_tcp(address));
  const auto tls = DD_TRY(options.link.listening(sockets));
  for (const ListeningTcp& one : sockets)
    log->info("ddsnap listen " DDSNAP_VERSION ": at {}{}", one.address, tls ? "" : ", no TLS");
  DD_TRY(daemon.ready());
  return run_listener({.sockets = sockets,
                       .volumes = volumes,
                       .tls = tls ? &*tls : nullptr,
                       .log = *log,
                       .signal_fd = signals.get(),
                       .on_hangup =
                           [&] {
                             if (const Status again = log->reopen(); !again)
                               log->error("{}", again.error().message());
                           },
                       .workers = static_cast<unsigned>(options.workers)});
}

}  // namespace

Result<int> cmd_listen(Arguments arguments) {
  Options options;
  ArgumentParser parser(
      {.name = "listen",
       .usage = "[-f] [-l LOG] [-p PIDFILE] [--key FILE | --keys FOLDER] ADDRESS NAME=DEV...\n"
                "       ddsnap listen --stdio NAME=DEV...",
       .summary = "Receives what 'ddsnap transmit' sends, for the volumes that are named here.\n"
                  "Detaches when its sockets accept, and the exit status tells how it went."});
  parser.flag("--stdio", options.is_stdio,
              "One session over standard input and output, as of ssh; no ADDRESS");
  parser.flag("-f,--foreground", options.is_foreground, "Do not detach");
  parser.text_option("-l,--log", "LOG", options.log,
                     "Log file (default: stderr with -f, else /var/log/ddsnap.listen.log)");
  parser.text_option("-p,--pidfile", "PIDFILE", options.pid_file, "Write the process id there");
  parser.number_option("--threads", 1, static_cast<int>(kMaxWorkers), options.workers,
                       "Threads that compute, of one session (default: one a processor)");
  options.link.declare(parser);
  options.link.declare_keys(parser);
  parser.objects(
      "OBJECTS", options.objects,
      "ADDRESS is HOST, HOST:PORT, [IPV6]:PORT or :PORT, all addresses (port 4329); NAME "
      "is what a sender says, and DEV what it may write: a volume's name, the "
      "socket of a server, or a device or file");
  if (!DD_TRY(parser.parse(arguments))) return 0;

  if (options.is_stdio) {
    DD_TRY(serve_stdio(options, DD_TRY(served_volumes(options.objects))));
    return 0;
  }
  if (options.objects.size() < 2)
    return fail(ErrorCode::kUsage,
                "listen: ADDRESS and NAME=DEV are wanted; see 'ddsnap listen --help'");
  const TcpAddress address = DD_TRY(parse_tcp_address(options.objects.front()));
  ServedVolumes volumes =
      DD_TRY(served_volumes({options.objects.begin() + 1, options.objects.end()}));
  // A daemon leaves the folder that it was started in.
  for (auto& [name, device] : volumes)
    if (device.find(':') == std::string::npos) device = absolute_path(device);
  for (std::string* path : {&options.log, &options.pid_file}) *path = absolute_path(*path);
  Daemon daemon = DD_TRY(Daemon::begin(
      {.program = "ddsnap", .is_foreground = options.is_foreground, .pid_path = options.pid_file}));
  const Status served = listen(options, address, volumes, daemon);
  if (!served) daemon.failed(served.error());
  DD_TRY(served);
  return 0;
}

}  // namespace ddsnap
