#include "ddsnap/io/frozen_mounts.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <span>
#include <utility>

#include "ddsnap/base/limits.h"
#include "ddsnap/io/device_stack.h"

namespace ddsnap {

namespace {

enum class NoteKind : std::uint32_t { kTrying = 1, kRefused = 2, kDone = 3 };
struct Note {
  NoteKind kind;
  std::uint32_t index;
};

Status send_note(int line, NoteKind kind, std::uint32_t index) {
  const Note note{kind, index};
  if (::send(line, &note, sizeof note, MSG_NOSIGNAL) == sizeof note) return {};
  return fail_errno("the process that would thaw does not listen:", "watchdog");
}

// ---- the watchdog: a process of its own, with nothing but system calls ----

constexpr int kThawAgain_ms = 50;

std::int64_t steady_ms() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

class Watchdog {
 public:
  Watchdog(int line, std::span<const int> mounts, std::int64_t end_ms)
      : line_(line), mounts_(mounts), end_ms_(end_ms) {}

  [[noreturn]] void run() {
    become_independent();
    for (;;) {
      pollfd poll{line_, POLLIN, 0};
      if (::poll(&poll, 1, patience_ms()) > 0) {
        if (!take_note()) break;
      } else if (steady_ms() >= end_ms_) {
        thaw();
      }
    }
    thaw();
    ::_exit(0);
  }

 private:
  // No signal meant for the command reaches it, no descriptor of the command stays open in it, and
  // it waits for no memory that would have to be written out first.
  void become_independent() const {
    ::setsid();
    ::prctl(PR_SET_NAME, "ddsnap-thaw");
    sigset_t all;
    ::sigfillset(&all);
    ::sigprocmask(SIG_SETMASK, &all, nullptr);
    close_all_but_ours();
    (void)::chdir("/");
    ::mlockall(MCL_CURRENT);
  }

  void close_all_but_ours() const {
    std::array<int, kMaxFrozenMounts + 1> ours{};
    std::ranges::copy(mounts_, ours.begin());
    ours[mounts_.size()] = line_;
    std::sort(ours.begin(), ours.begin() + mounts_.size() + 1);
    unsigned from = 0;
    for (std::size_t i = 0; i <= mounts_.size(); ++i) {
      const auto fd = static_cast<unsigned>(ours[i]);
      if (fd > from) ::close_range(from, fd - 1, 0);
      from = fd + 1;
    }
    ::close_range(from, ~0u, 0);
  }

  int patience_ms() const {
    const std::int64_t left = end_ms_ - steady_ms();
    return static_cast<int>(std::clamp<std::int64_t>(left, kThawAgain_ms, 1'000'000));
  }

  // False: there will be no more.
  bool take_note() {
    Note note{};
    const ssize_t got = ::recv(line_, &note, sizeof note, 0);
    if (got != sizeof note) return got < 0 && errno == EINTR;
    if (note.kind == NoteKind::kDone) ::_exit(0);
    if (note.index < mounts_.size()) may_be_frozen_[note.index] = note.kind == NoteKind::kTrying;
    return true;
  }

  void thaw() const {
    for (std::size_t i = mounts_.size(); i > 0; --i)
      if (may_be_frozen_[i - 1]) ::ioctl(mounts_[i - 1], FITHAW, 0);
  }

  const int line_;
  const std::span<const int> mounts_;
  const std::int64_t end_ms_;
  std::array<bool, kMaxFrozenMounts> may_be_frozen_{};
};

}  // namespace

Result<FrozenMounts> FrozenMounts::open(const std::vector<std::string>& paths) {
  FrozenMounts all;
  if (paths.size() > kMaxFrozenMounts)
    return fail(ErrorCode::kUsage,
                fmt::format("{} file systems are too many to freeze at once", paths.size()));
  for (const std::string& path : paths) {
    Mount mount{.path = path};
    mount.fd = UniqueFd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    struct stat facts{};
    if (!mount.fd || ::fstat(mount.fd.get(), &facts) != 0) return fail_errno("cannot open", path);
    mount.device = facts.st_dev;
    for (const Mount& other : all.mounts_)
      if (other.device == mount.device)
        return fail(ErrorCode::kUsage,
                    fmt::format("{} and {} are one file system", other.path, path));
    all.mounts_.push_back(std::move(mount));
  }
  return all;
}

FrozenMounts::FrozenMounts(FrozenMounts&& other) noexcept
    : mounts_(std::move(other.mounts_)),
      line_(std::move(other.line_)),
      watchdog_(std::exchange(other.watchdog_, -1)) {}

FrozenMounts::~FrozenMounts() {
  (void)thaw();
}

Status FrozenMounts::refuse_path_on(const std::string& path, const std::string& what) const {
  struct stat facts{};
  if (path.empty() || path.front() == '@' || ::stat(path.c_str(), &facts) != 0) return {};
  const dev_t device = S_ISBLK(facts.st_mode) ? facts.st_rdev : facts.st_dev;
  for (const Mount& mount : mounts_)
    if (stands_on(device, {.is_block_device = true, .device = mount.device}))
      return fail(ErrorCode::kUsage,
                  fmt::format("{} {} lies on {}: with that frozen, nothing would go on", what, path,
                              mount.path));
  return {};
}

Status FrozenMounts::freeze(std::uint64_t deadline_ms) {
  DD_TRY(start_watchdog(deadline_ms));
  for (std::uint32_t i = 0; i < mounts_.size(); ++i) {
    Status frozen = freeze_one(i);
    if (frozen) continue;
    (void)thaw();
    return frozen;
  }
  return {};
}

Status FrozenMounts::start_watchdog(std::uint64_t deadline_ms) {
  int ends[2] = {-1, -1};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
    return fail_errno("cannot make a line to", "watchdog");
  line_ = UniqueFd(ends[0]);
  const UniqueFd other_end(ends[1]);
  std::vector<int> fds;
  for (const Mount& mount : mounts_) fds.push_back(mount.fd.get());
  const std::int64_t end_ms = steady_ms() + static_cast<std::int64_t>(deadline_ms);
  watchdog_ = ::fork();
  if (watchdog_ == 0) Watchdog(other_end.get(), fds, end_ms).run();
  if (watchdog_ < 0) return fail_errno("cannot start", "watchdog");
  return {};
}

Status FrozenMounts::freeze_one(std::uint32_t index) {
  Mount& mount = mounts_[index];
  DD_TRY(send_note(line_.get(), NoteKind::kTrying, index));
  if (::ioctl(mount.fd.get(), FIFREEZE, 0) == 0) {
    mount.is_frozen = true;
    return {};
  }
  const int why = errno;
  (void)send_note(line_.get(), NoteKind::kRefused, index);
  if (why == EBUSY)
    return fail(ErrorCode::kBusy,
                mount.path + ": frozen already; 'fsfreeze -u' thaws it, if nobody else will");
  return fail_errno("cannot freeze", mount.path, why);
}

Status FrozenMounts::thaw() {
  Status outcome;
  for (Mount& mount : mounts_) {
    if (!std::exchange(mount.is_frozen, false)) continue;
    if (::ioctl(mount.fd.get(), FITHAW, 0) == 0 || !outcome) continue;
    if (errno == EINVAL)
      outcome = fail(ErrorCode::kBusy, mount.path + ": was thawed before the time");
    else
      outcome = fail_errno("cannot thaw", mount.path);
  }
  end_watchdog();
  return outcome;
}

void FrozenMounts::end_watchdog() {
  if (watchdog_ < 0) return;
  // Where the last freeze() failed half-way it thaws once more, which does nothing.
  (void)send_note(line_.get(), NoteKind::kDone, 0);
  line_.reset();
  while (::waitpid(watchdog_, nullptr, 0) < 0 && errno == EINTR) continue;
  watchdog_ = -1;
}

}  // namespace ddsnap
