#include <fmt/format.h>

#include "ddsnap/cli/argument_parser.h"
#include "ddsnap/cli/help_texts.h"
#include "ddsnap/cli/snapshot_report.h"
#include "ddsnap/cli/verbs.h"
#include "ddsnap/replica/server_client.h"

namespace ddsnap {

Result<int> cmd_list(Arguments arguments) {
  std::string server;
  bool as_json = false;
  ArgumentParser parser({.name = "list",
                         .usage = "[--json] SERVER",
                         .summary = "Lists snapshots and bookmarks, oldest first."});
  parser.flag("--json", as_json, kJsonHelp);
  parser.server(server);
  if (!DD_TRY(parser.parse(arguments))) return 0;

  ServerClient client = DD_TRY(ServerClient::connect(server));
  const std::vector<SnapshotEntry> snapshots = DD_TRY(client.snapshots());
  if (!as_json) {
    fmt::print("{}", list_table(snapshots));
    return 0;
  }
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (const SnapshotEntry& snapshot : snapshots) all.push_back(to_json(snapshot));
  fmt::print("{}\n", all.dump(2));
  return 0;
}

}  // namespace ddsnap
