#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>

#include "ddsnap/cli/argument_parser.h"
#include "ddsnap/cli/help_texts.h"
#include "ddsnap/cli/offline_store.h"
#include "ddsnap/cli/progress_report.h"
#include "ddsnap/cli/verbs.h"
#include "ddsnap/replica/server_client.h"

namespace ddsnap {

namespace {

constexpr std::uint64_t kDefaultOnlineRate = 64u << 20;  // bytes a second

Result<CheckReport> check_offline(const StorePaths& paths, WorkContext& context) {
  const auto store =
      DD_TRY(OfflineStore::open(paths, DeviceAccess::kReadOnly, {.gives_up_unreadable = true}));
  return store->check(context);
}

Damage damage_of(CheckPartMessage::Entry entry) {
  using Kind = CheckPartMessage::Kind;
  Damage damage{.kind = DamageKind::kSlot,
                .text = std::move(entry.text),
                .oldest = entry.oldest,
                .newest = entry.newest,
                .first_chunk = entry.first_chunk,
                .end_chunk = entry.end_chunk};
  if (entry.kind == Kind::kHurt) damage.kind = DamageKind::kHurt;
  if (entry.kind == Kind::kHurtPrivate) damage.kind = DamageKind::kHurtPrivate;
  if (entry.kind == Kind::kShielded) damage.kind = DamageKind::kShielded;
  return damage;
}

// The server reads and verifies; how fast is decided here, by when the next piece is asked for.
Result<CheckReport> check_online(const std::string& address, WorkContext& context) {
  ServerClient server = DD_TRY(ServerClient::connect(address));
  const ServerStatusMessage status = DD_TRY(server.status());
  CheckReport report(status.store_uuid, status.chunk_shift);
  CheckStoreMessage question;
  std::uint64_t slots_checked = 0;
  do {
    CheckPartMessage part = DD_TRY(server.check(question));
    CheckPiece piece{.bytes_read = part.bytes_read,
                     .blocks_checked = part.blocks_checked,
                     .slots_checked = part.slots_checked};
    for (auto& entry : part.entries) piece.damages.push_back(damage_of(std::move(entry)));
    report.add(piece);
    slots_checked += part.slots_checked;
    context.report({.chunks_done = slots_checked,
                    .chunks_total = std::max(status.exceptions, slots_checked),
                    .chunk_bytes = std::uint64_t{1} << status.chunk_shift});
    DD_TRY(context.rate_limit.take(part.bytes_read, context.interruption));
    DD_TRY(context.interruption.check());
    question.from = part.next;
  } while (question.from.phase != 0);
  std::vector<CheckedSnapshot> snapshots;
  for (const SnapshotEntry& entry : DD_TRY(server.snapshots()))
    if (entry.state == BoundaryState::kLive)
      snapshots.push_back({entry.epoch, entry.uuid, entry.tag, entry.size_bytes});
  report.set_snapshots(std::move(snapshots));
  return report;
}

// By what is there: a socket is a server.
bool is_server(const std::string& name) {
  struct stat facts{};
  return name.starts_with('@') || (::stat(name.c_str(), &facts) == 0 && S_ISSOCK(facts.st_mode));
}

}  // namespace

Result<int> cmd_check(Arguments arguments) {
  StorePaths paths;
  bool as_json = false;
  std::uint64_t rate_limit_bytes = 0;
  ArgumentParser parser(
      {.name = "check",
       .usage = "[--json] [--rate-limit SIZE] SERVER\n"
                "       ddsnap check [--json] [--rate-limit SIZE] SNAPSTORE [ORIGIN [META]]",
       .summary = "Verifies all metadata of a snapstore and every saved chunk, and says which\n"
                  "snapshots are hurt where. Changes nothing. Exit status 3: there is damage."});
  parser.flag("--json", as_json, kJsonHelp);
  parser.size_option("--rate-limit", rate_limit_bytes,
                     "Read at most so many bytes a second (default: 64M from a running server, "
                     "else no limit)");
  parser.volume_or_device("SNAPSTORE", paths.snapstore,
                          "A volume's name, the socket of its server, or a snapstore that has "
                          "none running");
  parser.object("ORIGIN", paths.origin, "The volume; only read. After a crash it may be needed",
                Need::kOptional);
  parser.object("META", paths.metadata, kMetadataHelp, Need::kOptional);
  if (!DD_TRY(parser.parse(arguments))) return 0;

  const bool is_online = is_server(paths.snapstore);
  if (is_online && !paths.origin.empty())
    return fail(ErrorCode::kUsage, "check: a server is named alone; see 'ddsnap check --help'");
  if (is_online && rate_limit_bytes == 0) rate_limit_bytes = kDefaultOnlineRate;
  WorkContext context {
    .interruption = DD_TRY(Interruption::by_signals())
    , .rate_limit = RateLimit(rate_limit_bytes)
  };
  auto progress = std::make_unique<ProgressReport>("-", "");
  context.progress = progress.get();
  const CheckReport report =
      DD_TRY(is_online ? check_online(paths.snapstore, context) : check_offline(paths, context));
  progress.reset();
  if (as_json)
    fmt::print("{}\n", report.to_json().dump(2, ' ', false,
                                             nlohmann::ordered_json::error_handler_t::replace));
  else
    fmt::print("{}", report.to_text());
  return report.is_clean() ? 0 : 3;
}

}  // namespace ddsnap
