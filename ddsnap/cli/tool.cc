#include "ddsnap/cli/tool.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <sstream>

#include "ddsnap/base/unique_fd.h"

namespace ddsnap {

namespace {

constexpr int kNoSuchProgram = 127;

// Between fork and exec nothing but system calls.
[[noreturn]] void become(char* const* words, int output, int errors) {
  const int nothing = ::open("/dev/null", O_RDWR);
  if (nothing < 0) ::_exit(kNoSuchProgram);
  ::dup2(nothing, STDIN_FILENO);
  ::dup2(output >= 0 ? output : nothing, STDOUT_FILENO);
  ::dup2(errors >= 0 ? errors : nothing, STDERR_FILENO);
  ::execvp(words[0], words);
  ::_exit(kNoSuchProgram);
}

std::vector<char*> pointers_to(const std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (const std::string& word : words) pointers.push_back(const_cast<char*>(word.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

std::string content_of(int fd) {
  std::string text(static_cast<std::size_t>(::lseek(fd, 0, SEEK_END)), '\0');
  const ssize_t got = ::pread(fd, text.data(), text.size(), 0);
  text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

std::string last_line(const std::string& text) {
  const auto newline = text.rfind('\n');
  return newline == std::string::npos ? text : text.substr(newline + 1);
}

}  // namespace

Result<std::string> run_tool(const std::vector<std::string>& words) {
  const UniqueFd output(::memfd_create("output", MFD_CLOEXEC));
  const UniqueFd errors(::memfd_create("errors", MFD_CLOEXEC));
  if (!output || !errors) return fail_errno("cannot keep the output of", words[0]);
  const std::vector<char*> pointers = pointers_to(words);
  const pid_t child = ::fork();
  if (child == 0) become(pointers.data(), output.get(), errors.get());
  if (child < 0) return fail_errno("cannot start", words[0]);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return fail_errno("cannot wait for", words[0]);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return content_of(output.get());
  if (WIFEXITED(status) && WEXITSTATUS(status) == kNoSuchProgram)
    return fail(ErrorCode::kNotFound, words[0] + " is not installed");
  return fail(ErrorCode::kFailed,
              fmt::format("{} has failed: {}", words[0], last_line(content_of(errors.get()))));
}

Result<pid_t> start_tool(const std::vector<std::string>& words, const std::string& log_path) {
  const UniqueFd log(::open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!log) return fail_errno("cannot write", log_path);
  const std::vector<char*> pointers = pointers_to(words);
  const pid_t child = ::fork();
  if (child == 0) {
    ::setsid();
    become(pointers.data(), -1, log.get());
  }
  if (child < 0) return fail_errno("cannot start", words[0]);
  return child;
}

bool has_tool(const std::string& name) {
  const char* const path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "/usr/sbin:/usr/bin:/sbin:/bin" : path);
  for (std::string path; std::getline(folders, path, ':');) {
    path += '/';
    path += name;
    if (::access(path.c_str(), X_OK) == 0) return true;
  }
  return false;
}

}  // namespace ddsnap
