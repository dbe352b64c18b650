#include "ddsnap/delta/apply_rules.h"

#include <fmt/format.h>

#include <algorithm>

#include "ddsnap/base/limits.h"
#include "ddsnap/delta/chunk_io.h"
#include "ddsnap/delta/target_samples.h"
#include "ddsnap/delta/undo_file.h"

namespace ddsnap {

namespace {

bool was_applied_before_others(const TargetState& state, const Uuid& delta) {
  const auto& recent = state.recent_deltas;
  return !recent.empty() && recent.back() != delta &&
         std::find(recent.begin(), recent.end(), delta) != recent.end();
}

bool is_last_applied(const TargetState& state, const Uuid& delta) {
  return !state.recent_deltas.empty() && state.recent_deltas.back() == delta;
}

Status check_unfinished(const DeltaHeader& header, const BlockDevice& target,
                        const ApplyWindow& window, bool is_forced) {
  // Only what overwrites everything ends such a state; a base that "fits" would not tell of chunks
  // that the other delta changed and this one does not name.
  if (window.delta_uuid == header.delta_uuid || (header.is_full() && is_forced)) return {};
  return fail(ErrorCode::kFailed,
              fmt::format("{}: an apply of delta {} was interrupted here; run that one again first",
                          target.name(), window.delta_uuid.to_string()));
}

}  // namespace

Status check_target_size(const DeltaHeader& header, const BlockDevice& target) {
  const std::uint64_t size = target.size_bytes();
  const bool is_shrink = header.from_bytes > header.to_bytes;
  if (size != header.to_bytes && !(is_shrink && size == header.from_bytes)) {
    if (!header.is_full() && size == header.from_bytes)
      return fail(ErrorCode::kUsage,
                  fmt::format("{} has {} bytes, but the volume grew to {}: enlarge it first",
                              target.name(), size, header.to_bytes));
    return fail(ErrorCode::kUsage, fmt::format("{} has {} bytes, but the delta is for {}",
                                               target.name(), size, header.to_bytes));
  }
  return check_holds_volume(target, header.to_geometry());
}

Status check_history(const DeltaHeader& header, const BlockDevice& target, const TargetState& state,
                     bool is_forced) {
  if (state.window) return check_unfinished(header, target, *state.window, is_forced);
  if (is_forced || is_last_applied(state, header.delta_uuid)) return {};
  if (was_applied_before_others(state, header.delta_uuid))
    return fail(ErrorCode::kFailed,
                fmt::format("{}: delta {} was applied before, and others after it; --force applies "
                            "it where its base fits again",
                            target.name(), header.delta_uuid.to_string()));
  const bool are_named = !state.snapshot_uuid.is_nil() && !header.from_uuid.is_nil();
  if (!header.is_full() && are_named && state.snapshot_uuid != header.from_uuid)
    return fail(ErrorCode::kFailed,
                fmt::format("{}: it is known to hold snapshot {}, but the delta starts from '{}' "
                            "{}; --force applies it where its base fits",
                            target.name(), state.snapshot_uuid.to_string(), header.from_tag,
                            header.from_uuid.to_string()));
  return {};
}

Result<bool> forget_what_is_gone(BlockDevice& target, TargetState& state) {
  if (state.window) return false;
  const Remembrance found = DD_TRY(compare_samples(target, state.samples));
  state.is_touched = found == Remembrance::kTouched;
  if (found != Remembrance::kReplaced) return false;
  state = {};
  return true;
}

bool is_base_proven(const DeltaHeader& header, const TargetState& state) {
  if (state.is_touched) return false;
  // While this very delta is being applied, the record still names what it started from.
  const bool is_elsewhere = state.window && state.window->delta_uuid != header.delta_uuid;
  return !is_elsewhere && !header.from_uuid.is_nil() && state.snapshot_uuid == header.from_uuid;
}

TargetState state_after(const DeltaHeader& header, TargetState state) {
  state.window.reset();
  state.snapshot_uuid = header.to_uuid;
  auto& recent = state.recent_deltas;
  // What is undone was never applied: it may come again.
  if (!recent.empty() && undo_uuid_of(recent.back()) == header.delta_uuid) {
    recent.pop_back();
    return state;
  }
  std::erase(state.recent_deltas, header.delta_uuid);
  state.recent_deltas.push_back(header.delta_uuid);
  if (state.recent_deltas.size() > kMaxRememberedDeltas)
    state.recent_deltas.erase(state.recent_deltas.begin());
  return state;
}

}  // namespace ddsnap
