#include "ddsnap/base/daemon.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace ddsnap {

namespace {

constexpr char kReadyByte = 'R';
constexpr char kFailedByte = 'F';

void send_text(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;  // the parent was killed: nobody asks any more
    text.remove_prefix(static_cast<std::size_t>(n));
  }
}

std::string receive_text(int fd) {
  std::string text;
  char buffer[1024];
  for (;;) {
    const ssize_t n = ::read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return text;
    text.append(buffer, static_cast<std::size_t>(n));
    if (text.front() == kReadyByte) return text;
  }
}

// In the parent: waits for the child's word and ends with it.
[[noreturn]] void end_as_told(const Daemon::Options& options, int child_fd, pid_t child) {
  const std::string word = receive_text(child_fd);
  if (!word.empty() && word.front() == kReadyByte) ::_exit(0);
  int status = 1;
  std::string text = "ended before it was ready";
  if (word.size() >= 2 && word.front() == kFailedByte) {
    status = static_cast<unsigned char>(word[1]);
    text = word.substr(2);
  }
  int ended = 0;
  ::waitpid(child, &ended, 0);
  std::fprintf(stderr, "%s: %s\n", options.program.c_str(), text.c_str());
  ::_exit(status);
}

void detach_from_terminal() {
  const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null) return;
  for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    ::dup2(null.get(), standard);
}

Status write_pid_file(const std::string& path) {
  const std::string fresh = path + ".new";
  {
    const UniqueFd file(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (!file) return fail_errno("cannot write pid file", path);
    send_text(file.get(), std::to_string(::getpid()) + "\n");
  }
  if (::rename(fresh.c_str(), path.c_str()) != 0) return fail_errno("cannot write pid file", path);
  return {};
}

bool is_our_pid_file(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return false;
  char buffer[32] = {};
  const ssize_t n = ::read(file.get(), buffer, sizeof buffer - 1);
  return n > 0 && std::strtol(buffer, nullptr, 10) == ::getpid();
}

}  // namespace

Result<Daemon> Daemon::begin(Options options) {
  options.pid_path = absolute_path(options.pid_path);
  Daemon daemon(std::move(options));
  if (daemon.options_.is_foreground) return daemon;
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return fail_errno("cannot make", "a pipe");
  UniqueFd reading(fds[0]);
  daemon.parent_ = UniqueFd(fds[1]);
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child < 0) return fail_errno("cannot start", "a daemon");
  if (child > 0) {
    daemon.parent_.reset();
    end_as_told(daemon.options_, reading.get(), child);
  }
  ::setsid();
  return daemon;
}

Daemon::Daemon(Daemon&& other) noexcept
    : options_(std::move(other.options_)),
      parent_(std::move(other.parent_)),
      has_pid_file_(std::exchange(other.has_pid_file_, false)) {}

Daemon::~Daemon() {
  if (has_pid_file_ && is_our_pid_file(options_.pid_path)) ::unlink(options_.pid_path.c_str());
}

Status Daemon::ready() {
  if (!options_.pid_path.empty()) {
    DD_TRY(write_pid_file(options_.pid_path));
    has_pid_file_ = true;
  }
  if (parent_) {
    // A daemon holds neither the terminal nor the directory it was started from.
    detach_from_terminal();
    if (::chdir("/") != 0) return fail_errno("cannot change to", "/");
    send_text(parent_.get(), std::string(1, kReadyByte));
    parent_.reset();
  }
  notify_service_manager("READY=1");
  return {};
}

void Daemon::failed(const Error& error) {
  if (!parent_) return;
  std::string word{kFailedByte, static_cast<char>(exit_status(error))};
  send_text(parent_.get(), word + error.message());
  ::_exit(exit_status(error));
}

std::string absolute_path(const std::string& path) {
  if (path.empty() || path.front() == '@') return path;
  std::error_code error;
  const auto absolute = std::filesystem::absolute(path, error);
  return error ? path : absolute.lexically_normal().string();
}

bool notify_service_manager(const std::string& state) {
  const char* name = std::getenv("NOTIFY_SOCKET");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (name == nullptr || (name[0] != '/' && name[0] != '@')) return false;
  const std::size_t length = std::strlen(name);
  if (length >= sizeof address.sun_path) return false;
  std::memcpy(address.sun_path, name, length);
  if (name[0] == '@') address.sun_path[0] = '\0';
  const UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) return false;
  return ::sendto(socket.get(), state.data(), state.size(), MSG_NOSIGNAL,
                  reinterpret_cast<const sockaddr*>(&address),
                  static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length)) ==
         static_cast<ssize_t>(state.size());
}

}  // namespace ddsnap
