#include <fmt/format.h>

#include "ddsnap/cli/argument_parser.h"
#include "ddsnap/cli/help_texts.h"
#include "ddsnap/cli/offline_store.h"
#include "ddsnap/cli/progress_report.h"
#include "ddsnap/cli/verbs.h"

namespace ddsnap {

namespace {

Status give_up_hurt(OfflineStore& store, const CheckReport& report) {
  for (const CheckedSnapshot& snapshot : report.hurt_snapshots()) {
    if (const Status given_up = store.inspection().give_up(snapshot.epoch); !given_up)
      return with_context("snapshot " + snapshot.tag + " cannot be given up", given_up.error());
    fmt::print("snapshot {} is given up\n", snapshot.tag);
  }
  return {};
}

}  // namespace

Result<int> cmd_repair(Arguments arguments) {
  StorePaths paths;
  StoreInspection::Options options;
  bool is_dry_run = false;
  bool drops_hurt = false;
  ArgumentParser parser(
      {.name = "repair",
       .usage = "[--dry-run] [--drop-hurt] [--drop-unreadable] SNAPSTORE ORIGIN [META]",
       .summary = "Makes a damaged snapstore one that can be served again. Checks all of it and\n"
                  "says what is damaged; gives that up, and keeps everything else. No server and\n"
                  "no target may run on it."});
  parser.flag("--dry-run", is_dry_run, "Change nothing; exit status 3: there is damage");
  parser.flag("--drop-hurt", drops_hurt,
              "Give up whole snapshots of which something is damaged, too. Without it they stay, "
              "and reading what is damaged fails");
  parser.flag("--drop-unreadable", options.gives_up_unreadable,
              "Give up what the device fails to read, too: it will not become readable again");
  parser.object("SNAPSTORE", paths.snapstore, kSnapstoreHelp);
  parser.object("ORIGIN", paths.origin, kOriginHelp);
  parser.object("META", paths.metadata, kMetadataHelp, Need::kOptional);
  if (!DD_TRY(parser.parse(arguments))) return 0;

  WorkContext context {
    .interruption = DD_TRY(Interruption::by_signals())
  };
  auto progress = std::make_unique<ProgressReport>("-", "");
  context.progress = progress.get();
  const auto store = DD_TRY(OfflineStore::open(
      paths, is_dry_run ? DeviceAccess::kReadOnly : DeviceAccess::kReadWrite, options));
  const CheckReport report = DD_TRY(store->check(context));
  progress.reset();
  fmt::print("{}", report.to_text());
  if (is_dry_run) return report.is_clean() ? 0 : 3;
  if (!report.findings().empty()) DD_TRY(store->inspection().repair());
  if (drops_hurt) {
    if (report.findings().empty()) DD_TRY(store->inspection().repair());
    DD_TRY(give_up_hurt(*store, report));
  }
  if (!report.findings().empty()) fmt::print("repaired\n");
  return 0;
}

}  // namespace ddsnap
