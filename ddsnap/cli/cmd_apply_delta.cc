#include <fmt/format.h>
#include <unistd.h>

#include "ddsnap/cli/argument_parser.h"
#include "ddsnap/cli/help_texts.h"
#include "ddsnap/cli/owned_target.h"
#include "ddsnap/cli/size_text.h"
#include "ddsnap/cli/target_record.h"
#include "ddsnap/cli/verbs.h"
#include "ddsnap/delta/apply_delta.h"

namespace ddsnap {

namespace {

std::string outcome_text(const ApplyReport& report, const std::string& device_name) {
  if (report.outcome == ApplyOutcome::kAlreadyApplied)
    return fmt::format("{}: already applied, nothing written", device_name);
  return fmt::format("{}: {}{} chunks written, {} zeroed", device_name,
                     report.was_resumed ? "an interrupted apply finished: " : "",
                     with_commas(report.chunks_written), with_commas(report.chunks_zeroed));
}

}  // namespace

Result<int> cmd_apply_delta(Arguments arguments) {
  std::string delta;
  std::string device_name;
  bool is_dry_run = false;
  ApplyOptions options;
  ArgumentParser parser(
      {.name = "apply-delta",
       .usage = "[--force] [--dry-run] DELTA DEV",
       .summary =
           "Turns a copy of the older snapshot into the newer one. Interrupted, it is run\n"
           "again and goes on; 'ddsnap verify DELTA DEV' tells beforehand how it would go."});
  parser.flag("--force", options.is_forced,
              "Go on where a proof is missing (unknown old content, a full delta over a target "
              "that is not empty, a device in use); known wrong content is refused all the same");
  parser.flag("--dry-run", is_dry_run, "Write nothing: the same as 'ddsnap verify DELTA DEV'");
  parser.object("DELTA", delta, "A file; '-' for standard input");
  parser.object("DEV", device_name, kDeviceHelp);
  if (!DD_TRY(parser.parse(arguments))) return 0;

  if (is_dry_run) {
    const std::string words[] = {delta, device_name};
    return cmd_verify(words);
  }
  auto source = DD_TRY(open_source(delta));
  OwnedTarget target = DD_TRY(OwnedTarget::open(device_name, options.is_forced));
  FileApplyState record = DD_TRY(record_of_target(device_name));
  const ApplyReport report = DD_TRY(apply_delta(*source, target.device(), record, options));
  if (report.outcome == ApplyOutcome::kAlreadyApplied || ::isatty(STDERR_FILENO) != 0)
    fmt::print(stderr, "ddsnap: {}\n", outcome_text(report, device_name));
  return 0;
}

}  // namespace ddsnap
