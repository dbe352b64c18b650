#include "ddsnap/delta/apply_tally.h"

#include <fmt/format.h>

namespace ddsnap {

namespace {

const char* reason(bool is_full, const PresentRun& present, ApplyTally::Expect expect) {
  if (expect == ApplyTally::Expect::kAfter) return "changed since this delta was begun";
  if (present.is_unproven && present.is_before)
    return "may hold anything: the delta does not know what it starts from there, and the target "
           "is not known to hold that snapshot; --force applies all the same";
  if (is_full)
    return "are not empty, and a full delta wants an empty target; --force overwrites it";
  return "hold neither what the delta starts from nor what it ends in";
}

}  // namespace

bool ApplyTally::fits(const PresentRun& present, Expect expect) const {
  const bool is_before =
      present.is_before && (!present.is_unproven || rules_.may_trust_base || present.is_after);
  if (expect == Expect::kAfter) return present.is_after;
  if (expect == Expect::kBefore) return is_before;
  return is_before || present.is_after;
}

void ApplyTally::see(const PresentRun& present, Expect expect) {
  has_unproven_ |= present.is_unproven;
  if (!fits(present, expect)) return note_wrong(present, expect);
  is_range_open_ = false;
  if (expect != Expect::kEither) return;
  is_all_before_ &= present.is_before;
  is_all_after_ &= present.is_after;
}

void ApplyTally::note_wrong(const PresentRun& present, Expect expect) {
  if (!is_wrong_) {
    is_wrong_ = is_range_open_ = true;
    wrong_ = present.chunks;
    why_ = reason(rules_.is_full, present, expect);
  } else if (is_range_open_ && wrong_.end() == present.chunks.first.value) {
    wrong_.count += present.chunks.count;
  } else {
    is_range_open_ = false;
  }
}

Status ApplyTally::check() const {
  if (is_wrong_)
    return fail(ErrorCode::kFailed, fmt::format("{}: chunks {} to {} {}", rules_.target_name,
                                                wrong_.first.value, wrong_.end() - 1, why_));
  if (!is_all_before_ && !is_all_after_)
    return fail(ErrorCode::kFailed,
                fmt::format("{}: some chunks hold what the delta starts from, others what it ends "
                            "in, and no apply of it was interrupted here",
                            rules_.target_name));
  return {};
}

}  // namespace ddsnap
