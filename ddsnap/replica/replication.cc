#include "ddsnap/replica/replication.h"

#include <fmt/format.h>

#include <algorithm>
#include <ranges>

#include "ddsnap/replica/delta_outbox.h"
#include "ddsnap/replica/downstream.h"
#include "ddsnap/replica/inbox.h"
#include "ddsnap/replica/rotation.h"
#include "ddsnap/replica/wire_target.h"

namespace ddsnap {

namespace {

const HeldSnapshot* newest_with_data(const std::vector<HeldSnapshot>& all) {
  for (const HeldSnapshot& one : all | std::views::reverse)
    if (one.has_data) return &one;
  return nullptr;
}

}  // namespace

Status Replication::run() {
  if (!how_.only_target.empty() && std::ranges::find(config_.targets, how_.only_target,
                                                     &TargetConfig::label) == config_.targets.end())
    return fail(ErrorCode::kNotFound,
                fmt::format("{}: has no target '{}'", config_.name, how_.only_target));
  Status first;
  const auto remember = [&first](Status status) {
    if (first && !status) first = std::move(status);
  };
  if (!config_.inbox.folder.empty())
    remember(note(state_.inbox, run_inbox(), "inbox " + config_.inbox.folder));
  DD_TRY(state_.save(config_.state_folder));
  remember(run_targets());
  return first;
}

// What is written down is one line for a person.
Status Replication::note(JobProgress& progress, Status status, const std::string& part) {
  progress.last_try_s = how_.now_s;
  progress.last_error = status ? "" : status.error().message();
  if (status) progress.last_success_s = how_.now_s;
  if (!status) return with_context(config_.name + ": " + part, std::move(status).error());
  return {};
}

// ---- in ----

Status Replication::run_inbox() {
  const auto volume = DD_TRY(Downstream::open(config_.server));
  Inbox inbox(config_.inbox, *volume, context_);
  const Status status = inbox.run(how_.now_s);
  for (const std::string& deed : inbox.deeds()) how_.tell(deed);
  state_.received = inbox.newest();
  if (!status) return status;
  if (inbox.problems().empty()) return {};
  return fail(ErrorCode::kFailed, fmt::format("{}", fmt::join(inbox.problems(), "; ")));
}

// ---- out ----

// A tenth early is in time: the timers of one hour do not always ring at the same second.
bool Replication::is_due(const TargetConfig& target) const {
  if (!how_.only_target.empty()) return target.label == how_.only_target;
  const auto found = state_.targets.find(target.label);
  if (found == state_.targets.end() || !found->second.last_error.empty()) return true;
  const std::int64_t age_s = how_.now_s - found->second.last_success_s;
  return age_s < 0 || age_s >= target.period_s - target.period_s / 10;
}

Status Replication::run_targets() {
  std::vector<const TargetConfig*> due;
  for (const TargetConfig& target : config_.targets)
    if (is_due(target)) due.push_back(&target);
  std::erase_if(state_.targets, [this](const auto& one) {
    return std::ranges::find(config_.targets, one.first, &TargetConfig::label) ==
           config_.targets.end();
  });
  if (due.empty()) return {};
  const Upstream upstream = DD_TRY(Upstream::open(config_.server));
  auto ours = snapshots_to_send(upstream, due);
  Status first;
  for (const TargetConfig* const target : due) {
    const Status served = ours ? serve(*target, upstream, *ours) : std::unexpected(ours.error());
    const Status noted =
        note(state_.targets[target->label], served, "target '" + target->label + "'");
    if (first && !noted) first = noted;
    DD_TRY(state_.save(config_.state_folder));
  }
  if (config_.takes_snapshots && config_.keep.empty()) DD_TRY(drop_what_nobody_keeps(upstream));
  return first;
}

Result<std::vector<HeldSnapshot>> Replication::snapshots_to_send(
    const Upstream& upstream, const std::vector<const TargetConfig*>& due) {
  std::vector<HeldSnapshot> ours = DD_TRY(upstream.held());
  if (!config_.takes_snapshots) return ours;
  const HeldSnapshot* const newest = newest_with_data(ours);
  const bool is_wanted =
      newest == nullptr || std::ranges::any_of(due, [&](const TargetConfig* target) {
        return state_.targets[target->label].sent == newest->uuid ||
               how_.now_s - made_s(*newest) >= target->period_s;
      });
  if (!is_wanted) return ours;
  DD_TRY(take_job_snapshot(config_, how_.now_s, context_.interruption));
  how_.tell("took " + rotation_tag(how_.now_s));
  return upstream.held();
}

Status Replication::serve(const TargetConfig& target, const Upstream& upstream,
                          const std::vector<HeldSnapshot>& ours) {
  const HeldSnapshot* const to = newest_with_data(ours);
  if (to == nullptr) return fail(ErrorCode::kNotFound, "there is no snapshot to send yet");
  TargetProgress& progress = state_.targets[target.label];
  if (target.transport == TargetConfig::Transport::kRsync)
    return serve_by_files(target, progress, upstream, ours, *to);
  const Uuid before = progress.acknowledged;
  const Status sent = send_by_wire(config_.server, target, *to, progress, how_.tell, context_);
  if (progress.acknowledged != before)
    how_.tell(fmt::format("{}: '{}' is there", target.label, to->tag));
  return sent;
}

// What has come into the outbox in a run that then failed is brought by the next.
Status Replication::serve_by_files(const TargetConfig& target, TargetProgress& progress,
                                   const Upstream& upstream, const std::vector<HeldSnapshot>& ours,
                                   const HeldSnapshot& to) {
  DeltaOutbox outbox(config_, target, progress, context_);
  DD_TRY(outbox.catch_up(ours));
  const Uuid before = progress.sent;
  const Status added = outbox.add(upstream, ours, to);
  DD_TRY(outbox.bring());
  const std::string complaint =
      outbox.problem().empty() ? "" : "the other side says: " + outbox.problem();
  if (!added && !complaint.empty())
    return fail(added.error().code, added.error().message() + "; " + complaint);
  DD_TRY(added);
  if (progress.sent != before)
    how_.tell(fmt::format("{}: '{}' is on its way", target.label, to.tag));
  if (!complaint.empty()) return fail(ErrorCode::kFailed, complaint);
  return {};
}

// Without a schedule only the newest is of use, and what targets go on from.
Status Replication::drop_what_nobody_keeps(const Upstream& upstream) {
  JobConfig only_drops = config_;
  only_drops.takes_snapshots = false;
  for (const RotationStep& step :
       plan_rotation(DD_TRY(upstream.held()), only_drops, state_, how_.now_s))
    DD_TRY(do_step(step, only_drops, how_.now_s, context_.interruption));
  return {};
}

}  // namespace ddsnap
