#include "ddsnap/cli/plain_services.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "ddsnap/cli/tool.h"
#include "ddsnap/replica/server_client.h"
#include "ddsnap/replica/text_file.h"
#include "ddsnap/wire/connection.h"

namespace ddsnap {

namespace {

constexpr int kStopPatience_ms = 60'000;

std::string ourselves() {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error).string();
}

std::string folder_of(const std::string& socket) {
  return socket.starts_with('@') ? "/run/ddsnap"
                                 : std::filesystem::path(socket).parent_path().string();
}

Status start_agent(const std::string& control) {
  if (Connection::open(control, kConnectTimeout_ms)) return {};
  DD_TRY(make_folder(folder_of(control)));
  DD_TRY(run_tool({ourselves(), "agent", "-l", control + ".log", "-p", control + ".pid", control}));
  return {};
}

Status start_server(const JobConfig& config) {
  if (ServerClient::connect(config.server)) return {};
  DD_TRY(make_folder(folder_of(config.server)));
  std::vector<std::string> words = {ourselves(),
                                    "server",
                                    "-l",
                                    config.server + ".log",
                                    "-p",
                                    config.server + ".pid",
                                    config.local.snapstore,
                                    config.local.origin};
  if (!config.local.metadata.empty()) words.push_back(config.local.metadata);
  words.push_back(config.local.control);
  words.push_back(config.server);
  DD_TRY(run_tool(words));
  return {};
}

// The server of the pid file, if it is one of ours still: its words name the socket.
UniqueFd running_server(const JobConfig& config) {
  std::ifstream file(config.server + ".pid");
  pid_t pid = 0;
  file >> pid;
  if (pid <= 1) return {};
  UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  std::ifstream words(fmt::format("/proc/{}/cmdline", pid));
  const std::string text{std::istreambuf_iterator<char>(words), {}};
  return text.find(config.server) == std::string::npos ? UniqueFd() : std::move(process);
}

Status stop_server(const JobConfig& config) {
  const UniqueFd process = running_server(config);
  if (!process) return {};
  ::syscall(SYS_pidfd_send_signal, process.get(), SIGTERM, nullptr, 0);
  pollfd wait = {.fd = process.get(), .events = POLLIN, .revents = 0};
  if (::poll(&wait, 1, kStopPatience_ms) > 0) return {};
  return fail(ErrorCode::kBusy, config.server + ": the server does not end");
}

}  // namespace

Status PlainServices::start(const JobConfig& config) {
  DD_TRY(start_agent(config.local.control));
  DD_TRY(start_server(config));
  return attach_volume_device(config);
}

Status PlainServices::stop(const JobConfig& config) {
  DD_TRY(detach_volume_device(config));
  return stop_server(config);
}

}  // namespace ddsnap
