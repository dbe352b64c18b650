#include <fmt/format.h>

#include <algorithm>

#include "ddsnap/base/size_text.h"
#include "ddsnap/cli/argument_parser.h"
#include "ddsnap/cli/help_texts.h"
#include "ddsnap/cli/snapshot_report.h"
#include "ddsnap/cli/verbs.h"
#include "ddsnap/replica/server_client.h"

namespace ddsnap {

namespace {

// What the server would say, without asking it to do anything.
Status check_deletable(ServerClient& client, const std::string& tag) {
  const std::vector<SnapshotEntry> snapshots = DD_TRY(client.snapshots());
  const auto found = std::find_if(snapshots.begin(), snapshots.end(),
                                  [&](const SnapshotEntry& one) { return one.tag == tag; });
  if (found == snapshots.end())
    return fail(ErrorCode::kNotFound, fmt::format("there is no snapshot {}", tag));
  if (found->use_count != 0 || found->target_count != 0)
    return fail(ErrorCode::kBusy, fmt::format("snapshot {} has use count {} and {} targets", tag,
                                              found->use_count, found->target_count));
  fmt::print("would delete {} {}, made {}\n", state_name(found->state), tag,
             utc_time(found->created_ns));
  return {};
}

}  // namespace

Result<int> cmd_delete(Arguments arguments) {
  std::string server;
  bool is_dry_run = false;
  DeleteSnapshotMessage request;
  ArgumentParser parser({.name = "delete",
                         .usage = "[--bookmark] [--dry-run] SERVER TAG",
                         .summary = "Deletes a snapshot that nobody uses, or a bookmark."});
  parser.flag("--bookmark", request.keep_bookmark,
              "Give up the data but remember the instant, so that changelists from it stay exact");
  parser.flag("--dry-run", is_dry_run, "Only say whether and what would be deleted");
  parser.server(server);
  parser.object("TAG", request.tag, kTagHelp);
  if (!DD_TRY(parser.parse(arguments))) return 0;

  DD_TRY(check_tag(request.tag));
  ServerClient client = DD_TRY(ServerClient::connect(server));
  if (is_dry_run)
    DD_TRY(check_deletable(client, request.tag));
  else
    DD_TRY(client.remove(request));
  return 0;
}

}  // namespace ddsnap
