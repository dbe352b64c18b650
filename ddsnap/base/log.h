// Lines for the administrator: a bounded ring that a thread of its own drains to a file or stderr,
// so that whoever logs never waits for a disk (T9).
//
// Shape     write() copies one line (cut at kMaxLogLineBytes) into the ring and returns. A full
//           ring loses the line and counts it; the drainer reports the count as a line of its own.
// Errors    open() and reopen() say why a file cannot be opened; after a failed reopen() the old
//           file goes on. A failed write of the drainer is lost.
// Threads   write() and lost_lines() from any thread.
// Lifetime  The destructor drains what is there. A reference outlives every user.
#pragma once

#include <fmt/format.h>

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "ddsnap/base/result.h"
#include "ddsnap/base/unique_fd.h"

namespace ddsnap {

enum class LogLevel : std::uint8_t { kInfo = 1, kWarning = 2, kError = 3 };

// Where parts of a program send their lines.
class LogSink {
 public:
  virtual ~LogSink() = default;
  virtual void write(LogLevel level, std::string_view line) = 0;

  template <class... Args>
  void info(fmt::format_string<Args...> format, Args&&... args) {
    write(LogLevel::kInfo, fmt::format(format, std::forward<Args>(args)...));
  }
  template <class... Args>
  void warning(fmt::format_string<Args...> format, Args&&... args) {
    write(LogLevel::kWarning, fmt::format(format, std::forward<Args>(args)...));
  }
  template <class... Args>
  void error(fmt::format_string<Args...> format, Args&&... args) {
    write(LogLevel::kError, fmt::format(format, std::forward<Args>(args)...));
  }
};

// Keeps nothing.
class NullLog final : public LogSink {
 public:
  void write(LogLevel, std::string_view) override {}
};

class Logger final : public LogSink {
 public:
  // `path` empty: stderr.
  static Result<std::unique_ptr<Logger>> open(const std::string& path);
  ~Logger() override;

  void write(LogLevel level, std::string_view line) override;
  // Opens the file by its name again, after somebody has renamed it away.
  Status reopen();
  // Waits until everything written before is with the file.
  void drain();
  std::uint64_t lost_lines() const;

 private:
  struct Line;
  Logger(std::string path, UniqueFd file);
  void drain_forever();
  void write_out(const std::vector<Line>& lines, std::uint64_t lost, int file) const;

  const std::string path_;
  mutable std::mutex mutex_;
  std::condition_variable has_lines_;
  std::condition_variable is_drained_;
  std::shared_ptr<UniqueFd> file_;  // shared: the drainer finishes on the old file after reopen()
  std::vector<Line> ring_;          // kMaxLogLines long; guarded by mutex_
  std::size_t first_ = 0;
  std::size_t count_ = 0;
  std::uint64_t lost_ = 0;
  std::uint64_t lost_told_ = 0;
  bool is_writing_ = false;
  bool is_stopping_ = false;
  std::thread drainer_;
};

}  // namespace ddsnap
