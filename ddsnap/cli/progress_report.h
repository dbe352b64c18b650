// Tells how far a long piece of work is: as a line on a terminal, and in a file that others watch.
//
// Shape     The file is as the ddsnap of 2008 wrote it, "<tag> <done>/<total> <byte address>\n",
//           counted in chunks; it is replaced whole, at most once a second and at the end.
// Errors    A file that cannot be written is told on stderr, once; the work goes on.
// Threads   None inside.
#pragma once

#include <chrono>
#include <string>

#include "ddsnap/base/work_context.h"

namespace ddsnap {

// "<tag> <done>/<total> <byte address>\n"; a tag that is not known is "-".
std::string progress_file_text(const std::string& tag, const WorkProgress& progress);
// "42% of 1.00 GiB, 512 MiB/s, 0:42 left".
std::string progress_line(const WorkProgress& progress, std::uint64_t elapsed_ns);

class ProgressReport final : public ProgressListener {
 public:
  // `path` may be empty: no file. The line is drawn where stderr is a terminal.
  ProgressReport(std::string tag, std::string path);
  // Takes the line away.
  ~ProgressReport() override;
  ProgressReport(const ProgressReport&) = delete;

  void on_name(const std::string& tag) override { tag_ = tag; }
  void on_progress(const WorkProgress& progress) override;

 private:
  using Clock = std::chrono::steady_clock;

  void write_file(const WorkProgress& progress);
  void draw_line(const WorkProgress& progress, Clock::time_point now);

  std::string tag_;
  std::string path_;  // empty: none, or it cannot be written
  const bool has_terminal_;
  const Clock::time_point start_ = Clock::now();
  Clock::time_point file_due_ = start_;
  Clock::time_point line_due_ = start_;
  bool is_line_drawn_ = false;
};

}  // namespace ddsnap
