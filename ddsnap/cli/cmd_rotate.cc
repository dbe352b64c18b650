#include <fmt/format.h>

#include "ddsnap/cli/argument_parser.h"
#include "ddsnap/cli/job_options.h"
#include "ddsnap/cli/verbs.h"
#include "ddsnap/replica/job_lock.h"
#include "ddsnap/replica/rotation.h"
#include "ddsnap/replica/upstream.h"

namespace ddsnap {

Result<int> cmd_rotate(Arguments arguments) {
  JobOptions job;
  bool is_dry_run = false;
  ArgumentParser parser(
      {.name = "rotate",
       .usage = "[--config DIR] [--dry-run] NAME",
       .summary = "Takes the snapshot that the volume's schedule wants now, and drops those that\n"
                  "no rule keeps any more. Safe to run at any time and twice at once."});
  job.declare(parser);
  parser.flag("--dry-run", is_dry_run, "Only say what would be taken, kept and deleted, and why");
  if (!DD_TRY(parser.parse(arguments))) return 0;

  const JobConfig config = DD_TRY(job.load());
  if (config.keep.empty())
    return fail(ErrorCode::kUsage, fmt::format("{}: [keep] has no rule", job.path()));
  const std::int64_t now_s = DD_TRY(job.now_s());
  const Interruption interruption = DD_TRY(Interruption::by_signals());
  const JobLock lock = DD_TRY(JobLock::take(config.state_folder, "rotate"));
  const Upstream volume = DD_TRY(Upstream::open(config.server));
  const JobState state = DD_TRY(JobState::load(config.state_folder));
  for (const RotationStep& step : plan_rotation(DD_TRY(volume.held()), config, state, now_s)) {
    const bool is_quiet =
        step.kind == RotationStep::Kind::kKeep || step.kind == RotationStep::Kind::kSetPriority;
    const bool is_told = is_dry_run || !is_quiet || step.reason.ends_with("in use");
    if (is_told) fmt::print("{}\n", text_of(step, is_dry_run));
    if (!is_dry_run) DD_TRY(do_step(step, config, now_s, interruption));
  }
  return 0;
}

}  // namespace ddsnap
