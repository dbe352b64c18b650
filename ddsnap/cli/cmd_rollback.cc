#include <fmt/format.h>
#include <unistd.h>

#include "ddsnap/base/size_text.h"
#include "ddsnap/cli/argument_parser.h"
#include "ddsnap/cli/help_texts.h"
#include "ddsnap/cli/put_back.h"
#include "ddsnap/cli/verbs.h"
#include "ddsnap/cli/work_options.h"
#include "ddsnap/replica/server_client.h"

namespace ddsnap {

namespace {

struct Options {
  PutBack what;
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
                              options.what.server, target.label));
  return {};
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
  parser.server(options.what.server);
  parser.object("TAG", options.what.tag, kTagHelp);
  if (!DD_TRY(parser.parse(arguments))) return 0;

  DD_TRY(check_tag(options.what.tag));
  WorkContext context = DD_TRY(options.work.context(options.what.tag));
  ServerClient client = DD_TRY(ServerClient::connect(options.what.server));
  const Changelist list = DD_TRY(changes_since(options.what, client));
  if (options.is_dry_run) {
    fmt::print(stderr, "ddsnap: {}: {} chunks would be written\n", options.what.server,
               with_commas(list.chunk_count()));
    return 0;
  }
  DD_TRY(check_unattached(options, client));
  DD_TRY(put_back(options.what, list, context, [] { return Status{}; }));
  options.work.end_progress();
  if (::isatty(STDERR_FILENO) != 0)
    fmt::print(stderr, "ddsnap: {}: {} chunks as at '{}' again\n", options.what.server,
               with_commas(list.chunk_count()), options.what.tag);
  return 0;
}

}  // namespace ddsnap
