// The options of every verb that works for long: --rate-limit, --memory, --threads, --progress.
//
// Shape     declare() before the words are parsed, context() after. From then on SIGINT, SIGTERM
//           and SIGHUP interrupt the work instead of killing the process.
// Errors    kUsage for a limit that is none.
// Threads   context() before any other thread is made: opening a "ddsnap:" device makes some.
// Lifetime  Owns the listener of the context, so it outlives the work.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "ddsnap/base/work_context.h"
#include "ddsnap/cli/argument_parser.h"
#include "ddsnap/cli/progress_report.h"

namespace ddsnap {

class WorkOptions {
 public:
  void declare(ArgumentParser& parser);
  // `tag` is what the progress file calls the work: the tag of the newer snapshot.
  Result<WorkContext> context(const std::string& tag);
  // Takes the line of progress off the terminal, before something is printed.
  void end_progress() { report_.reset(); }

 private:
  std::uint64_t rate_limit_bytes_ = 0;  // a second; 0: not given
  std::uint64_t memory_bytes_ = kDefaultWorkMemoryBytes;
  int threads_ = 0;  // 0: not given
  std::string progress_path_;
  std::unique_ptr<ProgressReport> report_;
};

}  // namespace ddsnap
