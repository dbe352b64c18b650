#include <fmt/format.h>
#include <unistd.h>

#include <optional>

#include "ddsnap/base/size_text.h"
#include "ddsnap/cli/argument_parser.h"
#include "ddsnap/cli/delta_report.h"
#include "ddsnap/cli/help_texts.h"
#include "ddsnap/cli/verbs.h"
#include "ddsnap/cli/wall_clock.h"
#include "ddsnap/cli/work_options.h"
#include "ddsnap/delta/apply_delta.h"
#include "ddsnap/delta/undo_file.h"
#include "ddsnap/io/open_device.h"
#include "ddsnap/replica/owned_target.h"
#include "ddsnap/replica/server_client.h"
#include "ddsnap/replica/target_record.h"

namespace ddsnap {

namespace {

struct Options {
  std::string delta;
  std::string device_name;
  std::string undo_path;
  std::string snapshot_tag;
  bool forgets = false;
  bool as_json = false;
  ApplyOptions apply;
  WorkOptions work;
};

std::string counts_text(const ApplyReport& report) {
  std::string text = fmt::format("{} chunks written, {} zeroed", with_commas(report.chunks_written),
                                 with_commas(report.chunks_zeroed));
  if (report.was_resumed)
    text += fmt::format(", {} were done before", with_commas(report.chunks_done_before));
  return text;
}

std::string outcome_text(const ApplyReport& report, const std::string& device_name) {
  switch (report.outcome) {
    case ApplyOutcome::kAlreadyApplied:
      return fmt::format("{}: already applied, nothing written", device_name);
    case ApplyOutcome::kWouldApply:
      return fmt::format("{}: nothing speaks against it, nothing written", device_name);
    case ApplyOutcome::kRolledBack:
      return fmt::format("{}: the interrupted apply is undone: {}", device_name,
                         counts_text(report));
    case ApplyOutcome::kApplied:
      break;
  }
  return fmt::format("{}: {}{}", device_name,
                     report.was_resumed ? "an interrupted apply finished: " : "",
                     counts_text(report));
}

void tell(const Options& options, const ApplyReport& report) {
  if (report.was_replaced)
    fmt::print(stderr,
               "ddsnap: {}: does not hold what the last apply left there; what was remembered of "
               "it does not count any more\n",
               options.device_name);
  if (options.as_json) {
    fmt::print("{}\n", to_json(report).dump(2));
  } else if (report.outcome != ApplyOutcome::kApplied || ::isatty(STDERR_FILENO) != 0) {
    fmt::print(stderr, "ddsnap: {}\n", outcome_text(report, options.device_name));
  }
}

// The state before as a snapshot. Its uuid follows from the delta's, so that an apply which was
// killed and begins again does not make a second one (S6).
Status keep_snapshot(const Options& options, const DeltaHeader& header) {
  ServerClient client =
      DD_TRY(ServerClient::connect(options.device_name.substr(std::string(kDdsnapScheme).size())));
  return client.create(
      {.uuid = undo_uuid_of(undo_uuid_of(header.delta_uuid)), .tag = options.snapshot_tag});
}

Status check_snapshot_option(const Options& options) {
  if (options.snapshot_tag.empty()) return {};
  if (!options.device_name.starts_with(kDdsnapScheme) ||
      options.device_name.find('#') != std::string::npos)
    return fail(ErrorCode::kUsage,
                options.device_name + ": --snapshot wants an origin, as ddsnap:SERVER");
  return check_tag(options.snapshot_tag);
}

Result<ApplyReport> run(Options& options, WorkContext& context) {
  DD_TRY(check_snapshot_option(options));
  const auto source = DD_TRY(open_source(options.delta, &context.interruption));
  OwnedTarget target =
      DD_TRY(OwnedTarget::open(options.device_name, {.is_forced = options.apply.is_forced,
                                                     .is_read_only = options.apply.is_dry_run}));
  FileApplyState record = DD_TRY(record_of_target(options.device_name));
  if (options.forgets && !options.apply.is_dry_run) DD_TRY(record.store({}));
  std::optional<UndoFile> undo;
  if (!options.undo_path.empty()) undo.emplace(options.undo_path, wall_clock_ns());
  options.apply.undo = undo ? &*undo : nullptr;
  if (!options.snapshot_tag.empty())
    options.apply.before_first_write = [&](const DeltaHeader& header) {
      return keep_snapshot(options, header);
    };
  auto report = apply_delta(*source, target.device(), record, options.apply, context);
  if (!report && report.error().code == ErrorCode::kInterrupted)
    return with_context(options.device_name + ": run the same again to finish",
                        std::move(report).error());
  return report;
}

}  // namespace

Result<int> cmd_apply_delta(Arguments arguments) {
  Options options;
  ArgumentParser parser(
      {.name = "apply-delta",
       .usage = "[--force] [--dry-run] [--save-undo FILE] DELTA DEV",
       .summary =
           "Turns a copy of the older snapshot into the newer one. Interrupted, it is run\n"
           "again and goes on; 'ddsnap verify DELTA DEV' tells beforehand how it would go."});
  parser.flag("--force", options.apply.is_forced,
              "Go on where a proof is missing (unknown old content, a full delta over a target "
              "that is not empty, a device in use); known wrong content is refused all the same");
  parser.flag("--dry-run", options.apply.is_dry_run, "Check everything, write nothing");
  parser.text_option("--save-undo", "FILE", options.undo_path,
                     "Save there what is overwritten, as a delta that undoes this one; after a "
                     "crash, applying it takes DEV back, repeating this call goes on");
  parser.text_option("--snapshot", "TAG", options.snapshot_tag,
                     "DEV is ddsnap:SERVER: take this snapshot of it before anything is written; "
                     "'ddsnap rollback SERVER TAG' takes DEV back there");
  parser.flag("--forget", options.forgets,
              "DEV was written anew by other means: nothing of what was applied to it counts, an "
              "interrupted apply included");
  parser.flag("--json", options.as_json, kJsonHelp);
  options.work.declare(parser);
  parser.object("DELTA", options.delta, "A file; '-' for standard input");
  parser.device("DEV", options.device_name);
  if (!DD_TRY(parser.parse(arguments))) return 0;

  WorkContext context = DD_TRY(options.work.context({}));
  auto report = run(options, context);
  options.work.end_progress();
  if (!report) return std::unexpected(std::move(report).error());
  tell(options, *report);
  return 0;
}

}  // namespace ddsnap
