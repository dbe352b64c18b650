#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "ddsnap/base/size_text.h"
#include "ddsnap/cli/argument_parser.h"
#include "ddsnap/cli/help_texts.h"
#include "ddsnap/cli/kept_state.h"
#include "ddsnap/cli/put_back.h"
#include "ddsnap/cli/verbs.h"
#include "ddsnap/cli/work_options.h"
#include "ddsnap/replica/device_users.h"

namespace ddsnap {

namespace {

struct Options {
  PutBack what;
  std::string keep_tag;
  bool is_dry_run = false;
  WorkOptions work;
};

// A target that is absent, as a killed revert's, is proven gone by the server's next probe (S8).
constexpr std::chrono::milliseconds kGonePause{100};
constexpr auto kGonePatience = std::chrono::milliseconds(2 * kProbeInterval_ms);

std::unexpected<Error> in_use_by(const Options& options, const TargetEntry& target) {
  return fail(ErrorCode::kBusy,
              target.is_present
                  ? fmt::format("{}: the origin is in use by target '{}'; end it first",
                                options.what.server, target.label)
                  : fmt::format("{}: target '{}' is lost and not proven gone; wait for it, or "
                                "'ddsnap detach --force'",
                                options.what.server, target.label));
}

// Whoever has the origin open would go on with what it remembers of it.
Status check_nobody_attached(const Options& options, ServerClient& client) {
  const auto deadline = std::chrono::steady_clock::now() + kGonePatience;
  for (;;) {
    const std::vector<TargetEntry> targets = DD_TRY(client.targets());
    const auto user = std::ranges::find(targets, TargetRole::kOrigin, &TargetEntry::role);
    if (user == targets.end()) return {};
    if (user->is_present || std::chrono::steady_clock::now() > deadline)
      return in_use_by(options, *user);
    std::this_thread::sleep_for(kGonePause);
  }
}

// Asked while our own target is attached. By a connection of its own: between the two times hours
// may pass, and a restart of the server.
Status check_nobody_else_attached(const Options& options) {
  ServerClient client = DD_TRY(ServerClient::connect(options.what.server));
  const std::string own_label = fmt::format("pid{}", ::getpid());
  for (const TargetEntry& target : DD_TRY(client.targets()))
    if (target.role == TargetRole::kOrigin && target.label != own_label)
      return in_use_by(options, target);
  return {};
}

Status check_unused(const Options& options, ServerClient& client) {
  DD_TRY(check_nobody_attached(options, client));
  const std::string path = DD_TRY(client.status())
  .origin_path;
  const std::string user = user_of_device(path);
  if (user.empty()) return {};
  return fail(ErrorCode::kBusy, fmt::format("{}: in use ({}); take it out of use", path, user));
}

// Each chunk that goes back is one that the kept snapshot needs a copy of. Half a revert that found
// the snapstore full would leave nobody what they want.
Status check_room(const Options& options, ServerClient& client, const Changelist& list,
                  const KeptState& kept) {
  const std::uint64_t free_slots = DD_TRY(client.status())
  .slots_free;
  const std::uint64_t needed = list.chunk_count() - std::min(kept.begun_chunks, list.chunk_count());
  if (needed <= free_slots) return {};
  return fail(ErrorCode::kNoSpace,
              fmt::format("{}: keeping the state before takes {} chunks, {} are free; delete "
                          "snapshots, or 'ddsnap rollback', which keeps nothing",
                          options.what.server, with_commas(needed), with_commas(free_slots)));
}

Result<SnapshotEntry> find_snapshot(const Options& options,
                                    std::span<const SnapshotEntry> snapshots) {
  const auto found = std::ranges::find(snapshots, options.what.tag, &SnapshotEntry::tag);
  if (found == snapshots.end())
    return fail(ErrorCode::kNotFound,
                fmt::format("{}: there is no snapshot {}", options.what.server, options.what.tag));
  if (found->state != BoundaryState::kLive)
    return fail(ErrorCode::kFailed,
                fmt::format("{}: {} has no data any more", options.what.server, options.what.tag));
  return *found;
}

void tell_plan(const Options& options, const Changelist& list, const KeptState& kept) {
  if (kept.is_there)
    fmt::print(stderr,
               "ddsnap: {}: a revert was cut off when at most {} of {} chunks were written; the "
               "state before is '{}'\n",
               options.what.server, with_commas(kept.begun_chunks), with_commas(list.chunk_count()),
               kept.tag);
  if (options.is_dry_run)
    fmt::print(stderr, "ddsnap: {}: {} chunks would be written, the state before kept as '{}'\n",
               options.what.server, with_commas(list.chunk_count()), kept.tag);
}

Result<int> revert(Options& options, WorkContext& context) {
  ServerClient client = DD_TRY(ServerClient::connect(options.what.server));
  const std::vector<SnapshotEntry> snapshots = DD_TRY(client.snapshots());
  const SnapshotEntry reverted = DD_TRY(find_snapshot(options, snapshots));
  const Changelist list = DD_TRY(changes_since(options.what, client));
  const KeptState kept =
      DD_TRY(plan_kept_state(client, snapshots, reverted, list, options.keep_tag));
  tell_plan(options, list, kept);
  DD_TRY(check_room(options, client, list, kept));
  if (options.is_dry_run) return 0;
  DD_TRY(check_unused(options, client));
  if (!kept.is_there) DD_TRY(keep_state(client, kept));
  DD_TRY(
      put_back(options.what, list, context, [&] { return check_nobody_else_attached(options); }));
  client = DD_TRY(ServerClient::connect(options.what.server));
  DD_TRY(settle_kept_states(client, reverted));
  options.work.end_progress();
  fmt::print(stderr, "ddsnap: {}: {} chunks as at '{}' again; the state before is '{}'\n",
             options.what.server, with_commas(list.chunk_count()), options.what.tag, kept.tag);
  return 0;
}

}  // namespace

Result<int> cmd_revert(Arguments arguments) {
  Options options;
  ArgumentParser parser(
      {.name = "revert",
       .usage = "[--dry-run] [--keep-as NAME] SERVER TAG",
       .summary = "Makes the origin what it was at a snapshot, and keeps what it is now as a\n"
                  "snapshot of its own. All others stay as they are. Interrupted, it is run\n"
                  "again and ends the same."});
  parser.flag("--dry-run", options.is_dry_run, "Tell how much would be written, write nothing");
  parser.text_option("--keep-as", "NAME", options.keep_tag,
                     "Call the state before so (default: before-revert-TAG)");
  options.work.declare(parser);
  parser.server(options.what.server);
  parser.object("TAG", options.what.tag, kTagHelp);
  if (!DD_TRY(parser.parse(arguments))) return 0;

  DD_TRY(check_tag(options.what.tag));
  if (!options.keep_tag.empty()) DD_TRY(check_tag(options.keep_tag));
  WorkContext context = DD_TRY(options.work.context(options.what.tag));
  return revert(options, context);
}

}  // namespace ddsnap
