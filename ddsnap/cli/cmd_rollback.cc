#include <fmt/format.h>
#include <unistd.h>

#include "ddsnap/cli/argument_parser.h"
#include "ddsnap/cli/help_texts.h"
#include "ddsnap/cli/size_text.h"
#include "ddsnap/cli/verbs.h"
#include "ddsnap/cli/work_options.h"
#include "ddsnap/delta/copy_chunks.h"
#include "ddsnap/io/open_device.h"
#include "ddsnap/replica/server_client.h"
#include "ddsnap/replica/target_record.h"
#include "ddsnap/target/open_ddsnap_device.h"

namespace ddsnap {

namespace {

struct Options {
  std::string server;
  std::string tag;
  bool is_forced = false;
  bool is_dry_run = false;
  WorkOptions work;
};

// Whoever has the origin open would go on with what it remembers of it.
Status check_unattached(const Options& options, ServerClient& client) {
  if (options.is_forced) return {};
  for (const TargetEntry& target : DD_TRY(client.targets()))
    if (target.role == TargetRole::kOrigin)
      return fail(ErrorCode::kBusy,
                  fmt::format("{}: the origin is in use by target '{}'; end it first, or --force",
                              options.server, target.label));
  return {};
}

Result<Changelist> changes_since(const Options& options, ServerClient& client) {
  Changelist list = DD_TRY(client.changelist(options.tag, "now"));
  if (list.from_bytes != list.to_bytes)
    return fail(ErrorCode::kUsage,
                fmt::format("{}: the volume has {} bytes, but snapshot '{}' has {}", options.server,
                            list.to_bytes, options.tag, list.from_bytes));
  return list;
}

// What was being applied is gone, also where it was interrupted.
Status strike_apply(const std::string& origin_name) {
  FileApplyState record = DD_TRY(record_of_target(origin_name));
  TargetState state = DD_TRY(record.load());
  if (!state.window) return {};
  state.window.reset();
  return record.store(state);
}

Status put_back(const Options& options, const Changelist& list, WorkContext& context) {
  const std::string origin_name = std::string(kDdsnapScheme) + options.server;
  const auto snapshot =
      DD_TRY(open_any_device(origin_name + "#" + options.tag, DeviceAccess::kReadOnly));
  const auto origin = DD_TRY(open_any_device(origin_name, DeviceAccess::kReadWrite));
  DD_TRY(copy_chunks(list, *snapshot, *origin, context));
  return strike_apply(origin_name);
}

}  // namespace

Result<int> cmd_rollback(Arguments arguments) {
  Options options;
  ArgumentParser parser(
      {.name = "rollback",
       .usage = "[--dry-run] [--force] SERVER TAG",
       .summary = "Gives the origin back what it held at a snapshot. All snapshots stay as they\n"
                  "are. Interrupted, it is run again."});
  parser.flag("--dry-run", options.is_dry_run, "Tell how much would be written, write nothing");
  parser.flag("--force", options.is_forced, "Also where somebody has the origin open");
  options.work.declare(parser);
  parser.object("SERVER", options.server, kServerHelp);
  parser.object("TAG", options.tag, kTagHelp);
  if (!DD_TRY(parser.parse(arguments))) return 0;

  DD_TRY(check_tag(options.tag));
  WorkContext context = DD_TRY(options.work.context(options.tag));
  ServerClient client = DD_TRY(ServerClient::connect(options.server));
  const Changelist list = DD_TRY(changes_since(options, client));
  if (options.is_dry_run) {
    fmt::print(stderr, "ddsnap: {}: {} chunks would be written\n", options.server,
               with_commas(list.chunk_count()));
    return 0;
  }
  DD_TRY(check_unattached(options, client));
  DD_TRY(put_back(options, list, context));
  options.work.end_progress();
  if (::isatty(STDERR_FILENO) != 0)
    fmt::print(stderr, "ddsnap: {}: {} chunks as at '{}' again\n", options.server,
               with_commas(list.chunk_count()), options.tag);
  return 0;
}

}  // namespace ddsnap
