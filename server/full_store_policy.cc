#include "server/full_store_policy.h"

#include <algorithm>
#include <tuple>

#include "server/attachment_table.h"

namespace ddsnap {

namespace {

constexpr std::int8_t kNeverDropped = 127;

}  // namespace

void FullStorePolicy::on_no_room() {
  if (is_making_room_) return;
  is_making_room_ = true;
  has_removed_ = false;
  slots_free_before_ = parts_.store.usage().slots_free;
}

FullStorePolicy::Answer FullStorePolicy::end_with(Answer answer) {
  is_making_room_ = false;
  return answer;
}

FullStorePolicy::Answer FullStorePolicy::advance(std::uint64_t now_ns) {
  if (dropping_.finish_ready()) has_removed_ = true;
  const bool is_background_well = run_background();
  if (parts_.store.failed()) return end_with(Answer::kNoRoom);
  if (parts_.store.usage().slots_free > slots_free_before_) return end_with(Answer::kRetry);
  if (is_background_well && parts_.store.has_background_work()) return Answer::kWait;
  if (has_removed_) return end_with(Answer::kRetry);
  if (dropping_.is_waiting(now_ns)) return Answer::kWait;
  if (!give_up_next(now_ns)) return end_with(Answer::kNoRoom);
  return Answer::kWait;
}

bool FullStorePolicy::is_waiting_for_targets(std::uint64_t now_ns) const {
  return is_making_room_ && !has_removed_ && !parts_.store.has_background_work() &&
         dropping_.is_waiting(now_ns);
}

bool FullStorePolicy::run_background() {
  for (std::uint32_t step = 0; step < kMaxDrainStepsPerTurn; ++step) {
    if (!parts_.store.has_background_work()) return true;
    const Status done = parts_.store.background_step();
    if (!done) {
      parts_.log.error("background work failed while making room: {}", done.error().message());
      return false;
    }
  }
  return true;
}

// Between checkpoints the store counts its metadata generously: nothing is given up before it has
// counted exactly.
bool FullStorePolicy::tidy_metadata() {
  if (is_tidy_) return false;
  is_tidy_ = true;
  if (const Status done = parts_.store.close_cleanly(); !done) {
    parts_.log.error("cannot tidy the metadata: {}", done.error().message());
    return false;
  }
  has_removed_ = true;
  return true;
}

bool FullStorePolicy::remove_oldest_bookmark() {
  return remove_oldest_bookmark(Held::kNo) || remove_oldest_bookmark(Held::kYes);
}

bool FullStorePolicy::remove_oldest_bookmark(Held held) {
  for (Epoch after;;) {
    const auto page = parts_.store.boundaries(after, kMaxSnapshotListEntries);
    if (page.empty()) return false;
    after = page.back().epoch;
    const auto oldest = std::ranges::find_if(page, [&](const BoundaryFacts& b) {
      return b.kind != BoundaryKind::kLive && (b.use_count != 0) == (held == Held::kYes);
    });
    if (oldest == page.end()) continue;
    const Status removed = parts_.store.remove(oldest->epoch, SnapStore::Keep::kNothing);
    if (!removed) {
      parts_.log.error("cannot remove bookmark {} to make room: {}", oldest->tag,
                       removed.error().message());
      return false;
    }
    parts_.log.warning("metadata space is short: bookmark {} was removed", oldest->tag);
    has_removed_ = true;
    return true;
  }
}

void FullStorePolicy::make_metadata_room() {
  for (unsigned removed = 0;
       parts_.store.is_metadata_short() && removed < kMaxRemovedBookmarksPerTurn; ++removed) {
    if (tidy_metadata()) continue;
    if (!remove_oldest_bookmark()) return;
    is_tidy_ = false;
  }
}

bool FullStorePolicy::give_up_next(std::uint64_t now_ns) {
  const bool is_metadata_short = parts_.store.is_metadata_short();
  if (is_metadata_short && tidy_metadata()) return true;
  if (is_metadata_short && remove_oldest_bookmark()) {
    is_tidy_ = false;
    (void)tidy_metadata();  // where even that finds no room, the next bookmark follows
    return true;
  }
  for (const BoundaryFacts& candidate : candidates()) {
    if (!is_metadata_short && parts_.store.slots_freed_by_removing(candidate.epoch) == 0) continue;
    if (give_up(candidate, now_ns)) return true;
  }
  return false;
}

bool FullStorePolicy::give_up(const BoundaryFacts& victim, std::uint64_t now_ns) {
  parts_.attachments.forget_gone(victim.epoch);
  const bool has_targets = parts_.attachments.count_of(victim.epoch) != 0;
  const Status done = has_targets ? dropping_.begin(victim.epoch, now_ns)
                                  : parts_.store.remove(victim.epoch, SnapStore::Keep::kDropped);
  if (!done) {
    parts_.log.error("cannot drop snapshot {}: {}", victim.tag, done.error().message());
    return false;
  }
  parts_.log.warning("the snapstore is full: snapshot {} (priority {}, use count {}{}) is dropped",
                     victim.tag, victim.priority, victim.use_count,
                     has_targets ? ", in use by targets" : "");
  has_removed_ |= !has_targets;
  is_tidy_ = false;
  return true;
}

std::vector<BoundaryFacts> FullStorePolicy::candidates() const {
  std::vector<BoundaryFacts> all;
  for (Epoch after;;) {
    const auto page = parts_.store.boundaries(after, kMaxSnapshotListEntries);
    if (page.empty()) break;
    after = page.back().epoch;
    std::ranges::copy_if(page, std::back_inserter(all), [](const BoundaryFacts& b) {
      return b.kind == BoundaryKind::kLive && !b.is_dropping && b.priority != kNeverDropped;
    });
  }
  std::set<Epoch> attached;
  for (const Attachment& attachment : parts_.store.attachments())
    attached.insert(attachment.snapshot);
  std::ranges::sort(all, {}, [&](const BoundaryFacts& b) {
    const bool is_in_use = b.use_count != 0 || attached.contains(b.epoch);
    return std::tuple(is_in_use, b.priority, b.epoch);
  });
  return all;
}

}  // namespace ddsnap
