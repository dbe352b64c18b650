#include <fmt/format.h>

#include "ddsnap/cli/argument_parser.h"
#include "ddsnap/cli/delta_report.h"
#include "ddsnap/cli/help_texts.h"
#include "ddsnap/cli/verbs.h"
#include "ddsnap/replica/target_record.h"
#include "ddsnap/target/open_ddsnap_device.h"

namespace ddsnap {

namespace {

// Whether apply-delta would go through without --force.
bool can_be_applied(const FitReport& report) {
  if (report.fit == Fit::kAlreadyApplied) return true;
  if (!report.history.empty() || (report.unproven.chunks != 0 && !report.is_base_proven))
    return false;
  switch (report.fit) {
    case Fit::kFits:
    case Fit::kAlreadyApplied:
      return true;
    case Fit::kPartlyApplied:
      return report.is_interrupted;
    case Fit::kForeign:
      return false;
  }
  return false;
}

Result<int> verify_alone(ByteSource& source, bool as_json) {
  const DeltaFacts facts = DD_TRY(verify_delta(source, WorkContext{}));
  if (as_json)
    fmt::print("{}\n", to_json(facts).dump(2));
  else
    fmt::print("{}: whole; {} chunks in {} frames\n", source.name(), facts.trailer.totals.chunks,
               facts.trailer.totals.frames);
  return 0;
}

Result<int> verify_fit(ByteSource& source, const std::string& device_name, bool as_json) {
  auto device = DD_TRY(open_any_device(device_name, DeviceAccess::kReadOnly));
  FileApplyState record = DD_TRY(record_of_target(device_name));
  const TargetState state = DD_TRY(record.load());
  const FitReport report = DD_TRY(verify_delta_against(source, *device, state, WorkContext{}));
  if (as_json)
    fmt::print("{}\n", to_json(report).dump(2));
  else
    fmt::print("{}", to_text(report, device_name));
  return can_be_applied(report) ? 0 : 1;
}

}  // namespace

Result<int> cmd_verify(Arguments arguments) {
  std::string delta;
  std::string device;
  bool as_json = false;
  ArgumentParser parser(
      {.name = "verify",
       .usage = "[--json] DELTA [DEV]",
       .summary = "Checks that a delta is whole and, with DEV, whether it fits there. Writes\n"
                  "nothing. Exit status 1: the delta cannot be applied to DEV."});
  parser.flag("--json", as_json, kJsonHelp);
  parser.object("DELTA", delta, "A file; '-' for standard input");
  parser.device("DEV", device, Need::kOptional);
  if (!DD_TRY(parser.parse(arguments))) return 0;

  auto source = DD_TRY(open_source(delta));
  return device.empty() ? verify_alone(*source, as_json) : verify_fit(*source, device, as_json);
}

}  // namespace ddsnap
