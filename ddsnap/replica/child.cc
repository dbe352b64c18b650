#include "ddsnap/replica/child.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <csignal>

#include <algorithm>
#include <array>
#include <cerrno>

namespace ddsnap {

namespace {

constexpr std::size_t kMaxKeptOutputBytes = 16u << 20;
constexpr std::size_t kMaxComplaintBytes = 1000;

Result<UniqueFd> memory_file(const char* name) {
  UniqueFd fd(::memfd_create(name, MFD_CLOEXEC));
  if (!fd) return fail_errno("cannot make", name);
  return fd;
}

std::string content_of(int fd) {
  const off_t size = ::lseek(fd, 0, SEEK_END);
  std::string text(
      static_cast<std::size_t>(std::clamp<off_t>(size, 0, static_cast<off_t>(kMaxKeptOutputBytes))),
      '\0');
  const ssize_t got = ::pread(fd, text.data(), text.size(), 0);
  text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return text;
}

// The strings that execve() wants; what they point to is borrowed.
std::vector<char*> pointers_to(const std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (const std::string& word : words) pointers.push_back(const_cast<char*>(word.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

std::vector<std::string> environment_with(const std::vector<std::string>& added) {
  std::vector<std::string> all = added;
  for (char** one = environ; *one != nullptr; ++one) {
    const std::string_view text(*one);
    const std::string_view name = text.substr(0, text.find('=') + 1);
    if (std::ranges::none_of(added,
                             [&](const std::string& ours) { return ours.starts_with(name); }))
      all.emplace_back(text);
  }
  return all;
}

class Actions {
 public:
  Actions() {
    ::posix_spawn_file_actions_init(&files_);
    ::posix_spawnattr_init(&attributes_);
    // Signals that we wait for by a descriptor are to work as ever in the child.
    sigset_t none;
    ::sigemptyset(&none);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    sigset_t ignored;
    ::sigemptyset(&ignored);
    ::sigaddset(&ignored, SIGPIPE);
    ::posix_spawnattr_setsigdefault(&attributes_, &ignored);
    ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  ~Actions() {
    ::posix_spawn_file_actions_destroy(&files_);
    ::posix_spawnattr_destroy(&attributes_);
  }
  Actions(const Actions&) = delete;
  Actions& operator=(const Actions&) = delete;

  void put(int fd, int at) { ::posix_spawn_file_actions_adddup2(&files_, fd, at); }
  Result<pid_t> spawn(const std::vector<std::string>& words,
                      const std::vector<std::string>& environment) {
    pid_t pid = -1;
    const int error = ::posix_spawnp(&pid, words[0].c_str(), &files_, &attributes_,
                                     pointers_to(words).data(), pointers_to(environment).data());
    if (error != 0) return fail_errno("cannot start", words[0], error);
    return pid;
  }

 private:
  posix_spawn_file_actions_t files_{};
  posix_spawnattr_t attributes_{};
};

}  // namespace

Result<Child> Child::start(const std::vector<std::string>& words, const How& how) {
  DD_CHECK(!words.empty());
  Actions actions;
  UniqueFd input_read, input_write, output, errors;
  if (how.input == Input::kPipe) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return fail_errno("cannot make", "a pipe");
    input_read = UniqueFd(ends[0]);
    input_write = UniqueFd(ends[1]);
  } else {
    input_read = UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!input_read) return fail_errno("cannot open", "/dev/null");
  }
  actions.put(input_read.get(), STDIN_FILENO);
  if (how.output == Output::kKept) {
    output = DD_TRY(memory_file("stdout"));
    errors = DD_TRY(memory_file("stderr"));
    actions.put(output.get(), STDOUT_FILENO);
    actions.put(errors.get(), STDERR_FILENO);
  }
  Child child(words[0], DD_TRY(actions.spawn(words, environment_with(how.environment))));
  child.input_ = std::move(input_write);
  child.output_ = std::move(output);
  child.errors_ = std::move(errors);
  return child;
}

Child::Child(Child&& other) noexcept
    : name_(std::move(other.name_)),
      pid_(std::exchange(other.pid_, -1)),
      input_(std::move(other.input_)),
      output_(std::move(other.output_)),
      errors_(std::move(other.errors_)) {}

Child::~Child() {
  if (pid_ >= 0) kill_and_reap();
}

void Child::kill_and_reap() {
  ::kill(pid_, SIGTERM);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
}

// One line of all that it complained of; the cause often comes first, and the summary last.
std::string Child::complaint() const {
  if (!errors_) return {};
  std::string text = content_of(errors_.get());
  while (!text.empty() && text.back() == '\n') text.pop_back();
  if (text.size() > kMaxComplaintBytes) text.resize(kMaxComplaintBytes);
  std::string line;
  for (const char c : text) line += c == '\n' ? std::string("; ") : std::string(1, c);
  return line;
}

Result<std::string> Child::finish(const Interruption& interruption) {
  input_.reset();
  const UniqueFd end(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  if (end) {
    if (const Status waited = interruption.wait_readable(end.get()); !waited) {
      kill_and_reap();
      return std::unexpected(waited.error());
    }
  }
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0)
    if (errno != EINTR) return fail_errno("cannot wait for", name_);
  pid_ = -1;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
    return output_ ? content_of(output_.get()) : std::string();
  const std::string line = complaint();
  return fail(
      ErrorCode::kFailed,
      fmt::format("{} {} {}{}{}", name_, WIFEXITED(status) ? "ended with" : "was killed by signal",
                  WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status),
                  line.empty() ? "" : ": ", line));
}

}  // namespace ddsnap
