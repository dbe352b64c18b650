// CaptiveNbdkit: the listening socket it inherits, its start and its end.
#include "tests/support/captive_nbdkit.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "ddsnap/base/unique_fd.h"

namespace ddsnap::test {

namespace {

constexpr int kFirstInheritedFd = 3;  // sd_listen_fds(3)

Result<UniqueFd> listen_on(const std::string& path) {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{.sun_family = AF_UNIX};
  DD_CHECK(path.size() < sizeof address.sun_path);
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const auto* const raw = reinterpret_cast<const sockaddr*>(&address);
  if (!fd || ::bind(fd.get(), raw, sizeof address) != 0 || ::listen(fd.get(), 16) != 0)
    return fail_errno("cannot listen on", path);
  return fd;
}

[[noreturn]] void become_nbdkit(int listening_fd, std::vector<char*> arguments) {
  if (listening_fd == kFirstInheritedFd)
    ::fcntl(listening_fd, F_SETFD, 0);
  else
    ::dup2(listening_fd, kFirstInheritedFd);
  ::setenv("LISTEN_FDS", "1", 1);
  ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
  ::unsetenv("LISTEN_FDNAMES");
  ::execvp(arguments[0], arguments.data());
  ::_exit(127);
}

}  // namespace

bool CaptiveNbdkit::is_installed() {
  return std::system("nbdkit --version >/dev/null 2>&1") == 0;
}

Result<std::unique_ptr<CaptiveNbdkit>> CaptiveNbdkit::start(
    const std::vector<std::string>& arguments) {
  std::unique_ptr<CaptiveNbdkit> captive(new CaptiveNbdkit);
  const UniqueFd listening = DD_TRY(listen_on(captive->socket_path_));
  std::vector<std::string> all = {"nbdkit", "--exit-with-parent", "--foreground"};
  all.insert(all.end(), arguments.begin(), arguments.end());
  std::vector<char*> raw;
  for (std::string& argument : all) raw.push_back(argument.data());
  raw.push_back(nullptr);
  captive->pid_ = ::fork();
  if (captive->pid_ < 0) return fail_errno("cannot fork for", "nbdkit");
  if (captive->pid_ == 0) become_nbdkit(listening.get(), std::move(raw));
  return captive;
}

void CaptiveNbdkit::kill() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
}

}  // namespace ddsnap::test
