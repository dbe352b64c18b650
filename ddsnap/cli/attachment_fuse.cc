// The way through nbdkit, nbdfuse and a loop device.
#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include "ddsnap/cli/attachment.h"
#include "ddsnap/cli/tool.h"

namespace ddsnap {

namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds kPatience{30};
constexpr std::chrono::milliseconds kPause{10};

bool wait_until(const std::function<bool()>& holds) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(kPause);
  }
  return true;
}

std::string content_of(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Built beside the program, or installed where nbdkit looks for it.
std::string plugin() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  const fs::path built = program.parent_path().parent_path() / "lib" / "nbdkit-ddsnap-plugin.so";
  return fs::exists(built, error) ? built.string() : "ddsnap";
}

std::string percent_encoded(const std::string& text) {
  std::string result;
  for (const char c : text)
    result += std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' || c == '.'
                  ? std::string(1, c)
                  : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  return result;
}

// The process of a pid file, if it is one of ours still: its words name our folder.
pid_t process_of(const std::string& pid_path, const std::string& folder) {
  const std::string text = content_of(pid_path);
  const auto pid = static_cast<pid_t>(std::strtol(text.c_str(), nullptr, 10));
  if (pid <= 1) return 0;
  const std::string words = content_of(fmt::format("/proc/{}/cmdline", pid));
  return words.find(folder) == std::string::npos ? 0 : pid;
}

Status end_process(const std::string& pid_path, const std::string& folder, int first_signal) {
  const pid_t pid = process_of(pid_path, folder);
  if (pid == 0) return {};
  const auto is_gone = [&] {
    ::waitpid(pid, nullptr, WNOHANG);  // where it is a child of this very process
    return process_of(pid_path, folder) == 0;
  };
  if (first_signal != 0) ::kill(pid, first_signal);
  if (wait_until(is_gone)) return {};
  ::kill(pid, SIGKILL);
  if (wait_until(is_gone)) return {};
  return fail(ErrorCode::kBusy, fmt::format("process {} does not end", pid));
}

// By their words, for one whose maker was killed has no pid file yet, and would mount a moment
// later.
std::vector<pid_t> processes_with(const std::string& word) {
  std::vector<pid_t> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/proc", error)) {
    const auto pid = static_cast<pid_t>(std::strtol(entry.path().filename().c_str(), nullptr, 10));
    const std::string words = pid > 1 ? content_of((entry.path() / "cmdline").string()) : "";
    if (words.starts_with("nbdfuse") && words.find(word) != std::string::npos) found.push_back(pid);
  }
  return found;
}

}  // namespace

Status LocalAttachment::make_by_fuse(const AttachRequest& request) {
  const std::string socket = path("nbd");
  std::vector<std::string> nbdkit = {"nbdkit", "-t", "64", "-U", socket, "-P", path("nbdkit.pid")};
  std::vector<std::string> nbdfuse = {"nbdfuse", "-P", path("nbdfuse.pid")};
  std::vector<std::string> losetup = {"losetup", "-f", "--show"};
  if (!record_->is_writable)
    for (auto* words : {&nbdkit, &nbdfuse, &losetup}) words->emplace_back("-r");
  nbdkit.insert(nbdkit.end(), {plugin(), "server=" + request.record.server});
  DD_TRY(run_tool(nbdkit));

  std::error_code error;
  fs::create_directory(path("fuse"), error);
  const std::string disk = path("fuse/disk");
  nbdfuse.insert(nbdfuse.end(), {disk, fmt::format("nbd+unix:///{}?socket={}",
                                                   percent_encoded(record_->tag), socket)});
  const pid_t child = DD_TRY(start_tool(nbdfuse, path("log")));
  bool has_ended = false;
  const bool is_up = wait_until([&] {
    has_ended = ::waitpid(child, nullptr, WNOHANG) != 0;
    return has_ended || fs::exists(disk, error);
  });
  if (!is_up || has_ended) {
    std::string said = content_of(path("log"));
    while (!said.empty() && said.back() == '\n') said.pop_back();
    return fail(ErrorCode::kFailed, "nbdfuse has failed: " + said.substr(said.rfind('\n') + 1));
  }
  losetup.push_back(disk);
  record_->device = DD_TRY(run_tool(losetup));
  return map_loop();
}

// By what they are made of, which holds also where nobody came to note their names.
std::vector<std::string> LocalAttachment::loops() const {
  std::vector<std::string> found;
  std::error_code error;
  for (const auto& block : fs::directory_iterator("/sys/block", error)) {
    const std::string backing = content_of((block.path() / "loop/backing_file").string());
    if (backing.starts_with(path("fuse/")))
      found.push_back("/dev/" + block.path().filename().string());
  }
  return found;
}

// From the top down: nothing is taken away from below somebody who still writes.
Status LocalAttachment::end_fuse() const {
  if (!record_->name.empty()) DD_TRY(unmap());
  for (const std::string& loop : loops()) DD_TRY(run_tool({"losetup", "-d", loop}));
  if (!wait_until([&] { return loops().empty(); }))
    return fail(ErrorCode::kBusy, "the loop device is still in use: " + loops().front());
  const std::string fuse = path("fuse");
  // EINVAL: nothing is mounted there; ENOENT: it never was.
  const auto is_unmounted = [&] {
    return ::umount2(fuse.c_str(), 0) == 0 || errno == EINVAL || errno == ENOENT;
  };
  if (!wait_until(is_unmounted)) return fail_errno("cannot unmount", fuse);
  DD_TRY(end_process(path("nbdfuse.pid"), folder_, 0));
  const std::string disk = path("fuse/disk");
  for (const pid_t pid : processes_with(disk)) ::kill(pid, SIGKILL);
  if (!wait_until([&] { return processes_with(disk).empty(); }))
    return fail(ErrorCode::kBusy, "nbdfuse does not end");
  if (!wait_until(is_unmounted)) return fail_errno("cannot unmount", fuse);
  return end_process(path("nbdkit.pid"), folder_, SIGTERM);
}

}  // namespace ddsnap
