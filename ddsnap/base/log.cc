#include "ddsnap/base/log.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <ctime>

#include "ddsnap/base/journal.h"
#include "ddsnap/base/limits.h"

namespace ddsnap {

struct Logger::Line {
  timespec when{};
  LogLevel level = LogLevel::kInfo;
  std::uint16_t length = 0;
  std::array<char, kMaxLogLineBytes> text;
};

namespace {

Result<UniqueFd> open_log(const std::string& path) {
  if (path.empty()) return UniqueFd(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0));
  UniqueFd file(::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640));
  if (!file) return fail_errno("cannot open log", path);
  return file;
}

const char* name_of(LogLevel level) {
  switch (level) {
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "ERROR";
  }
  return "?";
}

std::string stamp(const timespec& when) {
  tm utc{};
  ::gmtime_r(&when.tv_sec, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", utc.tm_year + 1900,
                     utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                     when.tv_nsec / 1'000'000);
}

void write_all(int file, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(file, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;  // a log that cannot be written is lost, by intent
    text.remove_prefix(static_cast<std::size_t>(n));
  }
}

}  // namespace

Result<std::unique_ptr<Logger>> Logger::open(const std::string& path) {
  UniqueFd file = DD_TRY(open_log(path));
  return std::unique_ptr<Logger>(new Logger(path, std::move(file)));
}

Logger::Logger(std::string path, UniqueFd file)
    : path_(std::move(path)),
      file_(std::make_shared<UniqueFd>(std::move(file))),
      ring_(kMaxLogLines),
      drainer_([this] { drain_forever(); }) {}

Logger::~Logger() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  has_lines_.notify_one();
  drainer_.join();
}

void Logger::write(LogLevel level, std::string_view line) {
  timespec when{};
  ::clock_gettime(CLOCK_REALTIME, &when);
  {
    const std::lock_guard lock(mutex_);
    if (count_ == ring_.size()) {
      ++lost_;
      return;
    }
    Line& slot = ring_[(first_ + count_) % ring_.size()];
    slot.when = when;
    slot.level = level;
    slot.length = static_cast<std::uint16_t>(std::min(line.size(), slot.text.size()));
    std::memcpy(slot.text.data(), line.data(), slot.length);
    ++count_;
  }
  has_lines_.notify_one();
}

Status Logger::reopen() {
  auto fresh = std::make_shared<UniqueFd>(DD_TRY(open_log(path_)));
  const std::lock_guard lock(mutex_);
  file_ = std::move(fresh);
  return {};
}

void Logger::drain() {
  std::unique_lock lock(mutex_);
  is_drained_.wait(lock, [this] { return count_ == 0 && !is_writing_; });
}

std::uint64_t Logger::lost_lines() const {
  const std::lock_guard lock(mutex_);
  return lost_;
}

void Logger::drain_forever() {
  std::vector<Line> lines;
  std::unique_lock lock(mutex_);
  for (;;) {
    has_lines_.wait(lock, [this] { return count_ != 0 || is_stopping_; });
    if (count_ == 0) return;
    lines.clear();
    for (; count_ != 0; --count_, first_ = (first_ + 1) % ring_.size())
      lines.push_back(ring_[first_]);
    const std::uint64_t lost = lost_ - std::exchange(lost_told_, lost_);
    const std::shared_ptr<UniqueFd> file = file_;
    is_writing_ = true;
    lock.unlock();
    write_out(lines, lost, file->get());
    lock.lock();
    is_writing_ = false;
    if (count_ == 0) is_drained_.notify_all();
  }
}

void Logger::write_out(const std::vector<Line>& lines, std::uint64_t lost, int file) const {
  std::string out;
  const bool is_journal = path_.empty() && goes_to_journal(file);
  for (const Line& line : lines) {
    out += is_journal ? std::string(journal_prefix(line.level))
                      : fmt::format("{} {}: ", stamp(line.when), name_of(line.level));
    // A line feed from outside (a label, a tag) must not forge a line of its own.
    for (std::size_t i = 0; i < line.length; ++i)
      out.push_back(static_cast<unsigned char>(line.text[i]) < ' ' ? ' ' : line.text[i]);
    out.push_back('\n');
  }
  if (lost != 0)
    out += fmt::format("{}{} lines were lost: they came faster than the log\n",
                       is_journal ? journal_prefix(LogLevel::kWarning) : "", lost);
  write_all(file, out);
}

}  // namespace ddsnap
