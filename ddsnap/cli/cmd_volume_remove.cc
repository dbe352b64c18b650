#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

#include "ddsnap/cli/argument_parser.h"
#include "ddsnap/cli/verbs.h"
#include "ddsnap/cli/volume_setup.h"
#include "ddsnap/replica/server_client.h"

namespace ddsnap {

namespace {

// What goes with the volume, in words.
std::string loss_of(const JobConfig& config) {
  auto client = ServerClient::connect(config.server);
  if (!client) return "its snapshots, as many as there are,";
  const auto snapshots = client->snapshots();
  if (!snapshots) return "its snapshots, as many as there are,";
  return fmt::format("{} snapshots and bookmarks", snapshots->size());
}

bool is_agreed(const std::string& question) {
  if (::isatty(STDIN_FILENO) == 0 || ::isatty(STDERR_FILENO) == 0) return false;
  fmt::print(stderr, "{} (y/N) ", question);
  char answer[8] = {};
  return std::fgets(answer, sizeof answer, stdin) != nullptr &&
         (answer[0] == 'y' || answer[0] == 'Y');
}

}  // namespace

Result<int> cmd_volume_remove(Arguments arguments) {
  VolumeRemoval removal;
  bool is_sure = false, is_dry_run = false;
  ArgumentParser parser(
      {.name = "volume remove",
       .usage = "[--yes] [--dry-run] [--config DIR] NAME",
       .summary =
           "Takes a volume away that nobody uses: device, server, units, snapstore with all\n"
           "snapshots, configuration. The origin stays as it is, and can be mounted by itself.\n"
           "Interrupted, it is run again."});
  parser.flag("-y,--yes", is_sure, "Do not ask");
  parser.flag("--dry-run", is_dry_run, "Only say what would be lost");
  parser.config_option(removal.config_folder);
  parser.text_option("--fstab", "FILE", removal.fstab, "Looked through (default /etc/fstab)");
  parser.object("NAME", removal.name, "What the volume is called");
  if (!DD_TRY(parser.parse(arguments))) return 0;

  const JobConfig config = DD_TRY(check_removal(removal));
  const std::string loss = loss_of(config);
  if (is_dry_run) {
    fmt::print("would remove volume {}; {} on {} would be lost; {} stays as it is\n", config.name,
               loss, config.local.snapstore, config.local.origin);
    return 0;
  }
  if (!is_sure && !is_agreed(fmt::format("{} on {} will be lost; {} stays as it is. Go on?", loss,
                                         config.local.snapstore, config.local.origin)))
    return fail(ErrorCode::kFailed, fmt::format("{}: {} would be lost; --yes says that they may be",
                                                config.name, loss));
  const auto services = make_volume_services(removal.config_folder);
  DD_TRY(remove_volume(removal, *services));
  fmt::print("{} is a plain volume again\n", config.local.origin);
  return 0;
}

}  // namespace ddsnap
