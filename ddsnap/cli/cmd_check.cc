#include <fmt/format.h>
#include <sys/stat.h>

#include "ddsnap/cli/argument_parser.h"
#include "ddsnap/cli/help_texts.h"
#include "ddsnap/cli/offline_store.h"
#include "ddsnap/cli/progress_report.h"
#include "ddsnap/cli/verbs.h"

namespace ddsnap {

namespace {

Result<CheckReport> check_offline(const StorePaths& paths, WorkContext& context) {
  const auto store =
      DD_TRY(OfflineStore::open(paths, DeviceAccess::kReadOnly, {.gives_up_unreadable = true}));
  return store->check(context);
}

}  // namespace

Result<int> cmd_check(Arguments arguments) {
  StorePaths paths;
  bool as_json = false;
  std::uint64_t rate_limit_bytes = 0;
  ArgumentParser parser(
      {.name = "check",
       .usage = "[--json] [--rate-limit SIZE] SNAPSTORE [ORIGIN [META]]",
       .summary = "Verifies all metadata of a snapstore and every saved chunk, and says which\n"
                  "snapshots are hurt where. Changes nothing. Exit status 3: there is damage."});
  parser.flag("--json", as_json, kJsonHelp);
  parser.size_option("--rate-limit", rate_limit_bytes, "Read at most so many bytes a second");
  parser.object("SNAPSTORE", paths.snapstore, kSnapstoreHelp);
  parser.object("ORIGIN", paths.origin, "The volume; only read. After a crash it may be needed",
                Need::kOptional);
  parser.object("META", paths.metadata, kMetadataHelp, Need::kOptional);
  if (!DD_TRY(parser.parse(arguments))) return 0;

  WorkContext context {
    .interruption = DD_TRY(Interruption::by_signals())
    , .rate_limit = RateLimit(rate_limit_bytes)
  };
  auto progress = std::make_unique<ProgressReport>("-", "");
  context.progress = progress.get();
  const CheckReport report = DD_TRY(check_offline(paths, context));
  progress.reset();
  if (as_json)
    fmt::print("{}\n", report.to_json().dump(2, ' ', false,
                                             nlohmann::ordered_json::error_handler_t::replace));
  else
    fmt::print("{}", report.to_text());
  return report.is_clean() ? 0 : 3;
}

}  // namespace ddsnap
