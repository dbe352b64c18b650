#include "server/ladder_policy.h"

#include <utility>

namespace ddsnap {

bool LadderPolicy::origin_goes_on() const {
  return parts_.store.settings().on_failure == OnStoreFailure::kOriginGoesOn;
}

LadderPolicy::Verdict LadderPolicy::on_failed_batch(const Error& error, Now now) {
  if (parts_.store.failed()) {
    watch(now);
    return Verdict::kAskAgain;
  }
  const bool has_lost_slots = parts_.store.slots_failed().has_value();
  if (has_lost_slots && origin_goes_on() && step_down_to_tracking_only(error.message()))
    return Verdict::kAskAgain;
  if (parts_.store.failed()) {  // of trying to note it
    watch(now);
    return Verdict::kAskAgain;
  }
  parts_.log.error("a batch of copy-outs failed: {}; the writes that wanted it get errors",
                   error.message());
  if (has_lost_slots) step_down_to_no_new_snapshots(error.message());
  return Verdict::kRefuse;
}

bool LadderPolicy::must_refuse_first_writes() const {
  return is_closed_ || (!origin_goes_on() && parts_.store.slots_failed().has_value());
}

void LadderPolicy::watch(Now now) {
  if (parts_.store.failed()) {
    const bool must_try_note = is_closed_ && !may_go_on_ && now.steady_ns >= next_note_ns_;
    if (!is_closed_ || must_try_note) close_down(now);
    return;
  }
  if (parts_.store.complaint()) step_down_to_no_new_snapshots(*parts_.store.complaint());
}

std::optional<std::uint64_t> LadderPolicy::deadline_ns() const {
  if (!is_closed_ || may_go_on_) return std::nullopt;
  return next_note_ns_;
}

// False: it is as low already, or it could not be noted.
bool LadderPolicy::step_down_to_tracking_only(const std::string& why) {
  if (parts_.store.step_down().rung >= Rung::kTrackingOnly) return false;
  if (!parts_.store.step_down_to(Rung::kTrackingOnly, why)) return false;
  parts_.log.error(
      "the snapstore cannot save chunks: {}; all snapshots are lost, the origin goes on and its "
      "changes are tracked",
      why);
  dropping_.adopt_marked();
  return true;
}

void LadderPolicy::step_down_to_no_new_snapshots(const std::string& why) {
  if (parts_.store.step_down().rung != Rung::kWorks) return;
  const Status noted = parts_.store.step_down_to(Rung::kNoNewSnapshots, why);
  if (noted)
    parts_.log.error("the snapstore makes no new snapshots from now on: {}", why);
  else
    parts_.log.error("that the snapstore is failing cannot be noted: {}", noted.error().message());
}

// Writers go on without copies only once no later server can take the snapshots for good ones.
void LadderPolicy::close_down(Now now) {
  const std::string why = parts_.store.failed()->message();
  const VolumeConfig& config = parts_.config;
  const bool goes_on = origin_goes_on();
  Status kept = parts_.store.close_for_good(why);
  if (!kept && goes_on && config.keep_closed_note) kept = config.keep_closed_note(why);
  may_go_on_ = goes_on && kept;
  next_note_ns_ = now.steady_ns + kClosedNoteInterval_ms * kNsPerMs;
  if (std::exchange(is_closed_, true) && !may_go_on_) return;
  if (goes_on) dropping_.adopt_marked();
  if (may_go_on_)
    parts_.log.error("the snapstore is closed: {}; all snapshots are lost, the writes to {} go on",
                     why, config.origin_path);
  else
    parts_.log.error("the snapstore is closed: {}; the first writes to {} get errors{}", why,
                     config.origin_path,
                     goes_on ? ", for it cannot be noted anywhere that they went on" : "");
}

}  // namespace ddsnap
