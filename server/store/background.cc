// Background work in bounded steps: freeing the slots of removed snapshots, merging runs,
// checkpointing before the journal fills.
#include <algorithm>

#include "server/store/snap_store_impl.h"

namespace ddsnap {

namespace {

bool wants_checkpoint(const SnapStore::Impl& store) {
  return store.state.recent_entries() >= store.spill_entries ||
         store.journal.used_bytes() > store.journal.size_bytes() / 2;
}

// The neighbouring groups that together are smallest: merging equals with equals keeps each entry's
// rewrites few.
std::size_t choose_window(const std::vector<RunGroup>& groups) {
  std::size_t best = 0;
  std::uint64_t best_entries = UINT64_MAX;
  for (std::size_t first = 0; first + kMaxGroups <= groups.size(); ++first) {
    std::uint64_t entries = 0;
    for (std::size_t i = 0; i < kMaxGroups; ++i) entries += groups[first + i].entry_count();
    if (entries < best_entries) {
      best_entries = entries;
      best = first;
    }
  }
  return best;
}

// Walks the source groups in step, the first group winning where several have a chunk.
class GroupMerger {
 public:
  GroupMerger(const std::vector<const RunGroup*>& sources, SnapStore::Impl& store) {
    for (const RunGroup* group : sources) sources_.push_back({group, 0, {}});
    for (Source& source : sources_) source.open(store);
  }

  Result<RunSection> take(std::uint32_t at_most, SnapStore::Impl& store) {
    RunSection merged;
    while (merged.size() < at_most) {
      std::optional<ChunkException> next;
      for (Source& source : sources_) {
        const auto entry = DD_TRY(source.peek(store));
        if (entry && (!next || entry->chunk < next->chunk)) next = entry;
      }
      if (!next) break;
      for (Source& source : sources_) {
        const auto entry = DD_TRY(source.peek(store));
        if (entry && entry->chunk == next->chunk) source.cursor->advance();
      }
      merged.push_back(*next);
    }
    return merged;
  }

  // What is left of source `i`: its runs without what was taken.
  Result<RunGroup> rest(std::size_t i, SnapStore::Impl& store) {
    Source& source = sources_[i];
    const auto next = DD_TRY(source.peek(store));
    RunGroup group{source.group->id, {}};
    for (std::size_t r = source.run; r < source.group->runs.size(); ++r) {
      const Run& run = source.group->runs[r];
      const bool is_current = r == source.run;
      group.runs.push_back(
          is_current ? trimmed_run(run, source.cursor->entries_passed(), next->chunk) : run);
    }
    return group;
  }

 private:
  struct Source {
    const RunGroup* group;
    std::size_t run;
    std::optional<RunCursor> cursor;

    void open(SnapStore::Impl& store) {
      cursor.reset();
      if (run < group->runs.size())
        cursor.emplace(group->runs[run], store.metadata, store.layout(), store.facts.uuid);
    }
    Result<std::optional<ChunkException>> peek(SnapStore::Impl& store) {
      while (cursor) {
        const auto entry = DD_TRY(cursor->peek());
        if (entry) return entry;
        ++run;
        open(store);
      }
      return std::nullopt;
    }
  };
  std::vector<Source> sources_;
};

}  // namespace

bool SnapStore::Impl::has_background_work() const {
  if (failed) return false;
  return !reclaims.empty() || (wants_checkpoint(*this) && !is_cramped) || merge ||
         !merge_candidates.empty();
}

// Reclaims come first: a merge drops dead entries, and must not before their slots are freed.
Status SnapStore::Impl::background_step() {
  if (failed) return std::unexpected(*failed);
  if (!reclaims.empty()) return reclaim_step();
  if (wants_checkpoint(*this) && !is_cramped) {
    const Status done = checkpoint();
    is_cramped = !done && done.error().code == ErrorCode::kNoSpace;
    return done;
  }
  if (!merge && !choose_merge()) return {};
  const Status done = merge_step();
  if (!done) give_up_merge();
  return done;
}

// A merge that cannot be read or has no room is not tried again before the next checkpoint names
// its table anew.
void SnapStore::Impl::give_up_merge() {
  merge_candidates.erase({merge->epoch.value, merge->is_private});
  merge.reset();
}

Status SnapStore::Impl::reclaim_step() {
  Reclaim& reclaim = reclaims.front();
  std::vector<std::uint32_t> taken;
  for (auto at = reclaim.dead.begin(); at != reclaim.dead.end(); ++at) {
    if (taken.size() == kReclaimChunksPerStep) break;
    taken.push_back(*at);
  }
  for (const std::uint32_t chunk : taken) {
    const auto found = find_in_groups(reclaim.groups, {chunk}, cache);
    // Where the run cannot be read the slot stays taken until the store is opened again: leaked
    // room, never a wrong block.
    if (!found && !is_reclaim_damaged)
      findings.push_back("freeing slots: " + found.error().message());
    if (!found && !complaint) complaint = "metadata cannot be read: " + found.error().message();
    is_reclaim_damaged = is_reclaim_damaged || !found;
    if (found && *found && (*found)->has_slot()) slots.mark_free((*found)->slot.value);
  }
  reclaim.dead -= Roaring(taken.size(), taken.data());
  if (reclaim.dead.isEmpty()) reclaims.erase(reclaims.begin());
  return {};
}

void SnapStore::Impl::note_merge_candidate(const Boundary& boundary) {
  if (boundary.table && boundary.table->groups.size() > kMaxGroups)
    merge_candidates.insert({boundary.epoch.value, false});
  if (boundary.private_table && boundary.private_table->groups.size() > kMaxGroups)
    merge_candidates.insert({boundary.epoch.value, true});
}

Table* SnapStore::Impl::merge_table() {
  Boundary* boundary = state.find(merge->epoch);
  if (!boundary) return nullptr;
  return merge->is_private ? boundary->private_table.get() : boundary->table.get();
}

bool SnapStore::Impl::choose_merge() {
  while (!merge_candidates.empty()) {
    const auto [epoch, is_private] = *merge_candidates.begin();
    merge = Merge{{epoch}, is_private, next_group_id++, {}};
    const Table* table = merge_table();
    if (table && table->groups.size() > kMaxGroups) {
      const std::size_t first = choose_window(table->groups);
      for (std::size_t i = 0; i < kMaxGroups; ++i)
        merge->source_group_ids.push_back(table->groups[first + i].id);
      return true;
    }
    merge_candidates.erase(merge_candidates.begin());
    merge.reset();
  }
  return false;
}

// One piece: the smallest chunks of all sources move to the output group, which stands in front of
// them; the sources keep the rest.
Status SnapStore::Impl::merge_step() {
  Table* table = merge_table();
  if (!table) {
    merge.reset();
    return {};
  }
  std::vector<const RunGroup*> sources;
  for (const RunGroup& group : table->groups)
    if (std::ranges::count(merge->source_group_ids, group.id)) sources.push_back(&group);
  GroupMerger merger(sources, *this);
  RunSection merged = DD_TRY(merger.take(kMergeEntriesPerStep, *this));
  if (merged.empty()) {
    merge.reset();
    return {};
  }
  PlannedRuns plan = DD_TRY(plan_runs(std::span(&merged, 1), facts.uuid, next_owner, blocks));
  std::vector<IoRequest> requests;
  for (const PlannedBlocks& planned : plan.blocks) planned.add_requests(layout(), requests);
  DD_TRY(write_durably(metadata, requests));

  std::vector<RunGroup> groups;
  std::size_t source = 0;
  for (const RunGroup& group : table->groups) {
    const bool is_source = source < sources.size() && sources[source] == &group;
    if (is_source && source == 0 && (groups.empty() || groups.back().id != merge->output_group_id))
      groups.push_back({merge->output_group_id, {}});
    if (is_source && source == 0)
      std::ranges::copy(plan.runs, std::back_inserter(groups.back().runs));
    if (!is_source) {
      groups.push_back(group);
      continue;
    }
    RunGroup rest = DD_TRY(merger.rest(source++, *this));
    if (!rest.runs.empty()) groups.push_back(std::move(rest));
  }
  std::swap(table->groups, groups);
  return checkpoint();
}

}  // namespace ddsnap
