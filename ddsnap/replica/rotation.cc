#include "ddsnap/replica/rotation.h"

#include <fmt/format.h>

#include <algorithm>

#include "ddsnap/base/random.h"
#include "ddsnap/replica/hook.h"
#include "ddsnap/replica/server_client.h"
#include "ddsnap/replica/snapshot_group.h"

namespace ddsnap {

namespace {

std::vector<std::string> live_tags(const std::vector<HeldSnapshot>& held) {
  std::vector<std::string> tags;
  for (const HeldSnapshot& one : held)
    if (one.has_data) tags.push_back(one.tag);
  return tags;
}

RotationStep step_for(const RetentionVerdict& verdict, const HeldSnapshot& snapshot,
                      const JobState& state) {
  using Kind = RotationStep::Kind;
  RotationStep step{.tag = verdict.tag, .reason = verdict.reason, .priority = verdict.priority};
  if (verdict.is_kept) {
    step.kind = snapshot.priority == verdict.priority ? Kind::kKeep : Kind::kSetPriority;
    return step;
  }
  if (snapshot.is_in_use) {
    step.reason += ", but it is in use";
    return step;
  }
  const std::string user = state.user_of(snapshot.uuid);
  step.kind = user.empty() ? Kind::kDelete : Kind::kBookmark;
  if (!user.empty()) step.reason += fmt::format(", but target '{}' goes on from it", user);
  return step;
}

}  // namespace

std::int64_t made_s(const HeldSnapshot& snapshot) {
  const auto told = rotation_time_s(snapshot.tag);
  return told ? *told : static_cast<std::int64_t>(snapshot.created_ns / 1'000'000'000);
}

std::vector<RotationStep> plan_rotation(const std::vector<HeldSnapshot>& held,
                                        const JobConfig& config, const JobState& state,
                                        std::int64_t now_s) {
  std::vector<RotationStep> steps;
  std::vector<std::string> tags = live_tags(held);
  if (config.takes_snapshots && is_rotation_due(tags, config.keep, now_s)) {
    steps.push_back({.kind = RotationStep::Kind::kTake, .tag = rotation_tag(now_s)});
    tags.push_back(rotation_tag(now_s));
  }
  for (const RetentionVerdict& verdict : judge_retention(tags, config.keep)) {
    const auto snapshot = std::ranges::find(held, verdict.tag, &HeldSnapshot::tag);
    if (snapshot != held.end()) steps.push_back(step_for(verdict, *snapshot, state));
  }
  for (const HeldSnapshot& one : held)
    if (!one.has_data && rotation_time_s(one.tag) && state.user_of(one.uuid).empty())
      steps.push_back({.kind = RotationStep::Kind::kDelete,
                       .tag = one.tag,
                       .reason = "a bookmark that no target goes on from"});
  return steps;
}

std::string text_of(const RotationStep& step, bool is_dry_run) {
  static constexpr const char* kDone[] = {"takes", "keeps", "keeps", "deletes", "bookmarks"};
  static constexpr const char* kWould[] = {"take", "keep", "keep", "delete", "bookmark"};
  const auto kind = static_cast<std::size_t>(step.kind);
  return fmt::format("{}{} {}{}{}", is_dry_run ? "would " : "",
                     is_dry_run ? kWould[kind] : kDone[kind], step.tag,
                     step.reason.empty() ? "" : ": ", step.reason);
}

Status do_step(const RotationStep& step, const JobConfig& config, std::int64_t now_s,
               const Interruption& interruption) {
  if (step.kind == RotationStep::Kind::kKeep) return {};
  if (step.kind == RotationStep::Kind::kTake) return take_job_snapshot(config, now_s, interruption);
  ServerClient client = DD_TRY(ServerClient::connect(config.server));
  if (step.kind == RotationStep::Kind::kSetPriority)
    return client.set_priority({.tag = step.tag, .priority = step.priority});
  return client.remove(
      {.tag = step.tag, .keep_bookmark = step.kind == RotationStep::Kind::kBookmark});
}

// The command after the snapshot is run whether it could be taken or not: it undoes what the one
// before did.
Status take_job_snapshot(const JobConfig& config, std::int64_t now_s,
                         const Interruption& interruption) {
  DD_TRY(run_hook("pre", config.pre, config.name, interruption));
  SystemRandom random;
  const auto create = [&]() -> Status {
    const CreateSnapshotMessage request{.uuid = Uuid::make(random), .tag = rotation_tag(now_s)};
    if (!config.freeze.empty())
      return create_together({.servers = {config.server}, .mounts = config.freeze}, request);
    ServerClient client = DD_TRY(ServerClient::connect(config.server));
    return client.create(request);
  };
  Status created = create();
  if (!created && created.error().code == ErrorCode::kExists) created = {};
  const Status after = run_hook("post", config.post, config.name, interruption);
  if (!created) return created;
  return after;
}

}  // namespace ddsnap
