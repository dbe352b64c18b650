#include <fmt/format.h>

#include <csignal>

#include "ddsnap/cli/argument_parser.h"
#include "ddsnap/cli/job_options.h"
#include "ddsnap/cli/verbs.h"
#include "ddsnap/replica/job_lock.h"
#include "ddsnap/replica/replication.h"

namespace ddsnap {

Result<int> cmd_replicate(Arguments arguments) {
  JobOptions job;
  std::string target;
  ArgumentParser parser(
      {.name = "replicate",
       .usage = "[--config DIR] NAME [TARGET]",
       .summary =
           "Applies what came into the volume's inbox, and brings its newest snapshot to the\n"
           "targets that are due. Safe to run at any time and twice at once: what was\n"
           "interrupted goes on."});
  job.declare(parser);
  parser.object("TARGET", target, "This one alone, due or not", Need::kOptional);
  if (!DD_TRY(parser.parse(arguments))) return 0;

  const JobConfig config = DD_TRY(job.load());
  if (config.targets.empty() && config.inbox.folder.empty())
    return fail(ErrorCode::kUsage,
                fmt::format("{}: has neither a [target LABEL] nor an [inbox]", job.path()));
  const std::int64_t now_s = DD_TRY(job.now_s());
  std::signal(SIGPIPE, SIG_IGN);  // a peer that is gone is an error of a write
  WorkContext context {
    .interruption = DD_TRY(Interruption::by_signals())
  };
  const JobLock lock = DD_TRY(JobLock::take(config.state_folder, "replicate"));
  JobState state = DD_TRY(JobState::load(config.state_folder));
  const auto tell = [](const std::string& deed) { fmt::print("{}\n", deed); };
  DD_TRY(Replication(config, {.now_s = now_s, .only_target = target, .tell = tell}, state, context)
             .run());
  return 0;
}

}  // namespace ddsnap
