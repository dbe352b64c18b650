#include "ddsnap/cli/work_options.h"

#include <fmt/format.h>

#include "ddsnap/base/size_text.h"

namespace ddsnap {

void WorkOptions::declare(ArgumentParser& parser) {
  parser.size_option("--rate-limit", rate_limit_bytes_,
                     "Read or write at most so many bytes of the volume a second");
  parser.size_option("--memory", memory_bytes_, "Memory for what is in flight (default 256M)");
  parser.number_option("--threads", 1, static_cast<int>(kMaxWorkers), threads_,
                       "Threads that compute (default: one a processor)");
  parser.text_option("--progress", "FILE", progress_path_,
                     "Keep 'TAG DONE/TOTAL ADDRESS' there, in chunks and bytes");
}

Result<WorkContext> WorkOptions::context(const std::string& tag) {
  if (memory_bytes_ < kMinWorkMemoryBytes)
    return fail(ErrorCode::kUsage,
                fmt::format("--memory: at least {} are needed", human_bytes(kMinWorkMemoryBytes)));
  WorkContext context {
    .interruption = DD_TRY(Interruption::by_signals())
    , .rate_limit = RateLimit(rate_limit_bytes_)
  };
  report_ = std::make_unique<ProgressReport>(tag, progress_path_);
  context.progress = report_.get();
  context.memory_bytes = memory_bytes_;
  if (threads_ > 0) context.workers = static_cast<unsigned>(threads_);
  return context;
}

}  // namespace ddsnap
