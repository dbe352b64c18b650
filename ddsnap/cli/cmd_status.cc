#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "ddsnap/base/interruption.h"
#include "ddsnap/cli/argument_parser.h"
#include "ddsnap/cli/help_texts.h"
#include "ddsnap/cli/job_report.h"
#include "ddsnap/cli/snapshot_report.h"
#include "ddsnap/cli/verbs.h"
#include "ddsnap/cli/wall_clock.h"
#include "ddsnap/replica/job_config.h"
#include "ddsnap/replica/server_address.h"
#include "ddsnap/replica/server_client.h"
#include "ddsnap/view/status_view.h"
#include "ddsnap/view/volume_facts.h"

namespace ddsnap {

namespace {

struct Options {
  bool is_verbose = false;
  bool as_json = false;
  bool size_only = false;
  bool tags_only = false;
  bool last_only = false;
  bool has_bars = false;
  bool is_plain = false;
  bool is_watched = false;
  int every_s = 2;
  std::string state_of;
  std::string config_folder = default_config_folder();
  std::string server;
  std::string tag;
};

// The exit statuses of the original, which scripts rely on.
enum StateExitStatus { kNormal = 0, kDoesNotExist = 1, kHasNoData = 2, kOtherError = 9 };

std::vector<SnapshotEntry>::const_iterator find_tag(const std::vector<SnapshotEntry>& snapshots,
                                                    const std::string& tag) {
  return std::find_if(snapshots.begin(), snapshots.end(),
                      [&](const SnapshotEntry& snapshot) { return snapshot.tag == tag; });
}

std::unexpected<Error> no_snapshot(const Options& options) {
  return fail(ErrorCode::kNotFound, fmt::format("{}: there is no snapshot {}; see 'ddsnap list {}'",
                                                options.server, options.tag, options.server));
}

// No output: the exit status says it all, and an error is told and ends with 9.
int state_exit_status(const Options& options) {
  Result<ServerClient> client = ServerClient::connect(options.server);
  const auto snapshots = client ? client->snapshots() : std::unexpected(client.error());
  if (!snapshots) {
    fmt::print(stderr, "ddsnap: {}\n", snapshots.error().message());
    return kOtherError;
  }
  const auto found = find_tag(*snapshots, options.state_of);
  if (found == snapshots->end()) return kDoesNotExist;
  return found->state == BoundaryState::kLive ? kNormal : kHasNoData;
}

Result<int> print_size(const Options& options, ServerClient& client) {
  std::uint64_t size_bytes = 0;
  if (options.tag.empty()) {
    size_bytes = DD_TRY(client.status())
    .origin_bytes;
  } else {
    const auto snapshots = DD_TRY(client.snapshots());
    const auto found = find_tag(snapshots, options.tag);
    if (found == snapshots.end()) return no_snapshot(options);
    size_bytes = found->size_bytes;
  }
  fmt::print("{}\n", size_bytes / 512);
  return 0;
}

Result<int> print_tags(const Options& options, ServerClient& client) {
  const auto snapshots = DD_TRY(client.snapshots());
  if (options.last_only) {
    if (!snapshots.empty()) fmt::print("{}\n", snapshots.back().tag);
    return 0;
  }
  for (std::size_t i = 0; i < snapshots.size(); ++i)
    fmt::print("{}{}", i == 0 ? "" : " ", snapshots[i].tag);
  fmt::print("\n");
  return 0;
}

void print_json(const Options& options, const ServerStatusMessage& status,
                std::span<const SnapshotEntry> snapshots, std::span<const TargetEntry> targets) {
  nlohmann::ordered_json all = to_json(status);
  all["snapshots"] = nlohmann::ordered_json::array();
  for (const SnapshotEntry& snapshot : snapshots) all["snapshots"].push_back(to_json(snapshot));
  all["targets"] = nlohmann::ordered_json::array();
  for (const TargetEntry& target : targets) all["targets"].push_back(to_json(target));
  all["replication"] = replication_json(options.config_folder, options.server);
  fmt::print("{}\n", all.dump(2));
}

Result<int> print_status(const Options& options, ServerClient& client) {
  const ServerStatusMessage status = DD_TRY(client.status());
  std::vector<SnapshotEntry> snapshots = DD_TRY(client.snapshots());
  const std::vector<TargetEntry> targets = DD_TRY(client.targets());
  if (!options.tag.empty()) {
    const auto found = find_tag(snapshots, options.tag);
    if (found == snapshots.end()) return no_snapshot(options);
    snapshots = {*found};
  }
  if (options.as_json) {
    print_json(options, status, snapshots, targets);
    return 0;
  }
  fmt::print("{}", status_text(status));
  if (options.is_verbose) fmt::print("{}", verbose_status_text(status));
  fmt::print("\n{}", status_table(snapshots));
  const bool any_absent = std::any_of(targets.begin(), targets.end(),
                                      [](const TargetEntry& target) { return !target.is_present; });
  if (options.is_verbose || any_absent) fmt::print("\n{}", target_table(targets));
  const auto now_s = static_cast<std::int64_t>(wall_clock_ns() / 1'000'000'000);
  const std::string replication = replication_text(options.config_folder, options.server, now_s);
  if (!replication.empty()) fmt::print("\n{}", replication);
  return 0;
}

// For people: on a terminal, or where it is asked for. Programs read what they always read.
bool wants_bars(const Options& options) {
  if (options.has_bars || options.is_watched) return true;
  return !options.is_plain && !options.as_json && ::isatty(STDOUT_FILENO) == 1;
}

std::int64_t now_s() {
  return static_cast<std::int64_t>(wall_clock_ns() / 1'000'000'000);
}

// Keeps the one snapshot that was asked for. False: there is none.
bool keep_tag(VolumeFacts& facts, const std::string& tag) {
  if (tag.empty()) return true;
  std::erase_if(facts.snapshots, [&](const SnapshotEntry& one) { return one.tag != tag; });
  return !facts.snapshots.empty();
}

Result<int> print_bars(const Options& options) {
  const auto names = DD_TRY(volume_names({options.server}, options.config_folder));
  VolumeFacts facts = read_volume(names.front(), options.config_folder);
  if (facts.unreachable) return std::unexpected(*facts.unreachable);
  if (!keep_tag(facts, options.tag)) return no_snapshot(options);
  fmt::print("{}", status_view(facts, TerminalLook::of_output(), now_s()));
  if (options.is_verbose)
    fmt::print("\n{}\n{}", verbose_status_text(facts.status), target_table(facts.targets));
  return 0;
}

// Drawn again and again, in place on a terminal, until it is interrupted.
Result<int> watch(const Options& options) {
  DD_TRY(DD_TRY(ServerClient::connect(options.server)).status());
  const Interruption interruption = DD_TRY(Interruption::by_signals());
  const bool is_terminal = ::isatty(STDOUT_FILENO) == 1;
  for (;;) {
    const auto names = DD_TRY(volume_names({options.server}, options.config_folder));
    VolumeFacts facts = read_volume(names.front(), options.config_folder);
    keep_tag(facts, options.tag);
    fmt::print("{}{}{}", is_terminal ? "\x1b[H\x1b[J" : "",
               status_view(facts, TerminalLook::of_output(), now_s()), is_terminal ? "" : "\n");
    if (std::fflush(stdout) != 0) return fail_errno("cannot write to", "standard output");
    DD_TRY(interruption.pause(static_cast<std::uint64_t>(options.every_s) * 1'000'000'000));
  }
}

}  // namespace

Result<int> cmd_status(Arguments arguments) {
  Options options;
  ArgumentParser parser(
      {.name = "status",
       .usage =
           "[-v] [--bars|--plain|--watch|--json|--size|--list|--last|--state TAG] SERVER [TAG]",
       .summary = "Tells how a volume, its snapshots and its targets are."});
  parser.flag("-v,--verbose", options.is_verbose, "Paths, counters and all targets too");
  parser.flag("--bars", options.has_bars, "A table with bars, for people (default on a terminal)");
  parser.flag("--plain", options.is_plain,
              "The lines that the ddsnap of 2008 printed, for programs (default elsewhere)");
  parser.flag("-w,--watch", options.is_watched, "The table again and again, until interrupted");
  parser.number_option("--every", 1, 3600, options.every_s,
                       "With --watch: every so many seconds (default 2)");
  parser.flag("--json", options.as_json, kJsonHelp);
  parser.config_option(options.config_folder);
  parser.flag("--size", options.size_only, "Print the size of the origin, or of TAG, in sectors");
  parser.flag("--list", options.tags_only, "Print the tags on one line, oldest first");
  parser.flag("--last", options.last_only, "Print the newest tag");
  parser.text_option("--state", "TAG", options.state_of,
                     "Print nothing; exit status 0: TAG has its data, 1: there is no "
                     "TAG, 2: its data was given up, 9: another error");
  parser.object("SERVER", options.server, kServerHelp);
  parser.object("TAG", options.tag, "Tell of this snapshot only", Need::kOptional);
  parser.afterword(
      "Of the plain lines, CHANGED counts chunks first written while the snapshot was the newest,\n"
      "SAVED chunks whose old content is kept for it and older ones, PRIVATE chunks written in "
      "the\n"
      "snapshot itself. A '!' marks what has no data any more: bookmarks, and snapshots given up "
      "to\n"
      "make room.\n"
      "Colours come on terminals only, and not where NO_COLOR is set.\n");
  parser.exclude_each_other(
      {{"--size", "--list", "--last", "--state", "--json", "--bars", "--plain", "--watch"}});
  if (!DD_TRY(parser.parse(arguments))) return 0;

  if (!options.state_of.empty()) {
    // The original's order: --state SERVER TAG. A tag holds no '/'.
    if (options.state_of.find('/') != std::string::npos)
      std::swap(options.state_of, options.server);
  }
  options.server = DD_TRY(server_address(options.server, options.config_folder));
  if (!options.state_of.empty()) return state_exit_status(options);
  if (options.is_watched) return watch(options);
  ServerClient client = DD_TRY(ServerClient::connect(options.server));
  if (options.size_only) return print_size(options, client);
  if (options.tags_only || options.last_only) return print_tags(options, client);
  return wants_bars(options) ? print_bars(options) : print_status(options, client);
}

}  // namespace ddsnap
