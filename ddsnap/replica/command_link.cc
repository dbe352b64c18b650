#include "ddsnap/replica/command_link.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <utility>

namespace ddsnap {

namespace {

constexpr int kFarewell_ms = 5'000;

class CommandLink final : public ByteLink {
 public:
  CommandLink(std::unique_ptr<ByteLink> pipes, pid_t pid) : pipes_(std::move(pipes)), pid_(pid) {}
  ~CommandLink() override {
    pipes_.reset();
    wait_or_kill();
  }
  Result<Step> read_some(std::span<std::byte> into) override { return pipes_->read_some(into); }
  Result<Step> write_some(std::span<const std::byte> from) override {
    return pipes_->write_some(from);
  }
  void end_writing() override { pipes_->end_writing(); }
  int read_fd() const override { return pipes_->read_fd(); }
  int write_fd() const override { return pipes_->write_fd(); }

 private:
  void wait_or_kill() const {
    const UniqueFd child(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
    pollfd ended{.fd = child.get(), .events = POLLIN, .revents = 0};
    if (!child || ::poll(&ended, 1, kFarewell_ms) == 0) ::kill(pid_, SIGTERM);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) continue;
  }

  std::unique_ptr<ByteLink> pipes_;
  const pid_t pid_;
};

struct Pipe {
  UniqueFd from;
  UniqueFd to;
};
Result<Pipe> make_pipe() {
  std::array<int, 2> fds{};
  if (::pipe2(fds.data(), O_CLOEXEC) != 0) return fail_errno("cannot make", "a pipe");
  return Pipe{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

// Our own stop signals are blocked; the command's are as it is used to.
void with_usual_signals(posix_spawnattr_t& attributes) {
  sigset_t none;
  sigset_t pipe;
  ::sigemptyset(&none);
  ::sigemptyset(&pipe);
  ::sigaddset(&pipe, SIGPIPE);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &pipe);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
}

Result<pid_t> spawn(const std::string& command, int input, int output) {
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  with_usual_signals(attributes);
  std::string words[] = {"sh", "-c", command};
  char* const argv[] = {words[0].data(), words[1].data(), words[2].data(), nullptr};
  pid_t pid = 0;
  const int failed = ::posix_spawn(&pid, "/bin/sh", &actions, &attributes, argv, environ);
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) return fail_errno("cannot run", "/bin/sh", failed);
  return pid;
}

}  // namespace

Result<std::unique_ptr<ByteLink>> start_command_link(const std::string& command) {
  Pipe there = DD_TRY(make_pipe());
  Pipe back = DD_TRY(make_pipe());
  const pid_t pid = DD_TRY(spawn(command, there.from.get(), back.to.get()));
  auto pipes = DD_TRY(make_pipe_link(std::move(back.from), std::move(there.to)));
  return std::make_unique<CommandLink>(std::move(pipes), pid);
}

}  // namespace ddsnap
