#include "ddsnap/cli/progress_report.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>

#include "ddsnap/base/size_text.h"

namespace ddsnap {

namespace {

constexpr std::chrono::milliseconds kFileInterval{1000};
constexpr std::chrono::milliseconds kLineInterval{200};

std::string duration_text(double seconds) {
  const auto whole = static_cast<std::uint64_t>(std::llround(seconds));
  if (whole >= 3600)
    return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

// Replaced by rename(), so that a reader finds the old text or the new one. It need not outlive a
// power cut, so nothing is synced.
Status replace_file(const std::string& path, const std::string& text) {
  const std::string temporary = path + ".tmp";
  std::FILE* const file = std::fopen(temporary.c_str(), "we");
  if (file == nullptr) return fail_errno("cannot create", temporary);
  const bool is_written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
  if (std::fclose(file) != 0 || !is_written) return fail_errno("cannot write", temporary);
  if (std::rename(temporary.c_str(), path.c_str()) != 0) return fail_errno("cannot name", path);
  return {};
}

}  // namespace

std::string progress_file_text(const std::string& tag, const WorkProgress& progress) {
  return fmt::format("{} {}/{} {}\n", tag.empty() ? "-" : tag, progress.chunks_done,
                     progress.chunks_total, progress.address_bytes);
}

std::string progress_line(const WorkProgress& progress, std::uint64_t elapsed_ns) {
  const auto done = static_cast<double>(progress.chunks_done);
  const auto total = static_cast<double>(progress.chunks_total);
  const double seconds = static_cast<double>(elapsed_ns) / 1e9;
  std::string line = fmt::format("{:.0f}% of {}", total > 0 ? 100 * done / total : 100,
                                 human_bytes(progress.chunks_total * progress.chunk_bytes));
  if (done <= 0 || seconds <= 0) return line;
  const double bytes_per_second = done * static_cast<double>(progress.chunk_bytes) / seconds;
  return line + fmt::format(", {}/s, {} left",
                            human_bytes(static_cast<std::uint64_t>(bytes_per_second)),
                            duration_text((total - done) * seconds / done));
}

ProgressReport::ProgressReport(std::string tag, std::string path)
    : tag_(std::move(tag)), path_(std::move(path)), has_terminal_(::isatty(STDERR_FILENO) == 1) {}

ProgressReport::~ProgressReport() {
  if (is_line_drawn_) fmt::print(stderr, "\r\033[K");
}

void ProgressReport::on_progress(const WorkProgress& progress) {
  if (path_.empty() && !has_terminal_) return;
  const Clock::time_point now = Clock::now();
  const bool is_end = progress.chunks_done == progress.chunks_total;
  if (!path_.empty() && (is_end || now >= file_due_)) {
    file_due_ = now + kFileInterval;
    write_file(progress);
  }
  if (has_terminal_ && (is_end || now >= line_due_)) {
    line_due_ = now + kLineInterval;
    draw_line(progress, now);
  }
}

void ProgressReport::write_file(const WorkProgress& progress) {
  const Status status = replace_file(path_, progress_file_text(tag_, progress));
  if (status) return;
  fmt::print(stderr, "ddsnap: progress is not told any more: {}\n", status.error().message());
  path_.clear();
}

void ProgressReport::draw_line(const WorkProgress& progress, Clock::time_point now) {
  const auto elapsed = std::chrono::duration_cast<std::chrono::nanoseconds>(now - start_);
  fmt::print(stderr, "\r\033[K{}",
             progress_line(progress, static_cast<std::uint64_t>(elapsed.count())));
  std::fflush(stderr);
  is_line_drawn_ = true;
}

}  // namespace ddsnap
