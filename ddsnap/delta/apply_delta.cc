#include "ddsnap/delta/apply_delta.h"

#include <fmt/format.h>

#include "ddsnap/delta/apply_rules.h"
#include "ddsnap/delta/apply_run.h"
#include "ddsnap/delta/roll_back.h"
#include "ddsnap/delta/undo_file.h"

namespace ddsnap {

namespace {

bool is_resumed(const DeltaHeader& header, const TargetState& state) {
  return state.window && state.window->delta_uuid == header.delta_uuid;
}

// An apply that was saving its undo does not lose it because nobody repeats the option.
Status check_undo_goes_on(const DeltaHeader& header, const BlockDevice& target,
                          const TargetState& state, const ApplyOptions& options) {
  if (!is_resumed(header, state) || !state.window->has_undo) return {};
  if (options.undo != nullptr || options.is_forced || options.is_dry_run) return {};
  return fail(ErrorCode::kUsage,
              fmt::format("{}: the interrupted apply was saving an undo; give --save-undo again, "
                          "or --force to go on without it",
                          target.name()));
}

Status begin_writing(const DeltaHeader& header, BlockDevice& target, const TargetState& state,
                     const ApplyOptions& options) {
  if (options.before_first_write && !is_resumed(header, state))
    DD_TRY(options.before_first_write(header));
  if (options.undo == nullptr) return {};
  return options.undo->begin(header, target, state);
}

// From a source that can be read twice.
Status apply_checked(ApplyRun& run, DeltaReader& reader, ByteSource& source,
                     const std::function<Status()>& begin) {
  const Uuid delta_uuid = reader.header().delta_uuid;
  DD_TRY(run.survey(reader, source));
  if (run.is_already_applied()) return {};
  DD_TRY(begin());
  if (run.is_all_kept()) return run.write_kept();
  DD_TRY(source.rewind());
  DeltaReader again = DD_TRY(DeltaReader::open(source));
  if (again.header().delta_uuid != delta_uuid)
    return fail(ErrorCode::kFailed, fmt::format("{} changed while it was read", source.name()));
  return run.write(again, source);
}

Status run_apply(ApplyRun& run, DeltaReader& reader, ByteSource& source,
                 const ApplyOptions& options, const std::function<Status()>& begin) {
  if (options.is_dry_run) return run.survey(reader, source);
  if (source.can_rewind()) {
    DD_TRY(apply_checked(run, reader, source, begin));
  } else {
    DD_TRY(begin());
    DD_TRY(run.write(reader, source));
  }
  return run.finish();
}

}  // namespace

const char* name_of(ApplyOutcome outcome) {
  constexpr const char* kNames[] = {"applied", "already applied", "would apply", "rolled back"};
  return kNames[static_cast<std::size_t>(outcome)];
}

Result<ApplyReport> apply_delta(ByteSource& source, BlockDevice& target, ApplyState& store,
                                const ApplyOptions& options, WorkContext& context) {
  DeltaReader reader = DD_TRY(DeltaReader::open(source));
  const DeltaHeader header = reader.header();
  if (context.progress != nullptr) context.progress->on_name(header.to_tag);
  DD_TRY(check_target_size(header, target));
  TargetState state = DD_TRY(store.load());
  const bool was_replaced = DD_TRY(forget_what_is_gone(target, state));
  if (is_roll_back(header, state)) {
    if (options.is_dry_run) return ApplyReport{ApplyOutcome::kWouldApply, header};
    return roll_back(source, target, store, std::move(state), context);
  }
  DD_TRY(check_history(header, target, state, options.is_forced));
  DD_TRY(check_undo_goes_on(header, target, state, options));

  const auto begin = [&] { return begin_writing(header, target, state, options); };
  ApplyRun run(header, {target, store}, state, options, context);
  DD_TRY(run_apply(run, reader, source, options, begin));
  ApplyReport report = run.report();
  report.was_replaced = was_replaced;
  return report;
}

}  // namespace ddsnap
