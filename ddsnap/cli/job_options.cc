#include "ddsnap/cli/job_options.h"

#include "ddsnap/cli/help_texts.h"
#include "ddsnap/cli/wall_clock.h"
#include "ddsnap/replica/retention.h"

namespace ddsnap {

void JobOptions::declare(ArgumentParser& parser) {
  parser.config_option(folder_);
  parser.text_option("--now", "TAG", now_,
                     "As if it were then: the tag of a rotation, auto-20261120T093000Z");
  parser.object("NAME", name_, kVolumeHelp);
}

Result<std::int64_t> JobOptions::now_s() const {
  if (now_.empty()) return static_cast<std::int64_t>(wall_clock_ns() / 1'000'000'000);
  const auto then_s = rotation_time_s(now_);
  if (!then_s) return fail(ErrorCode::kUsage, "--now: " + then_s.error().text);
  return *then_s;
}

}  // namespace ddsnap
