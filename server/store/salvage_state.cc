// What becomes of a store's state where its metadata is damaged: the least that is certainly lost
// is marked lost, so that what remains is either right or known to be damaged (S5).
#include <fmt/format.h>

#include <algorithm>

#include "server/store/snap_store_impl.h"

namespace ddsnap {

bool SnapStore::Impl::may_give_up(const Error& error) const {
  if (!salvage) return false;
  return error.code == ErrorCode::kDamaged ||
         (error.code == ErrorCode::kIo && salvage->gives_up_unreadable);
}

void SnapStore::Impl::note_damage(DamageKind kind, std::string text) {
  salvage->found.push_back({.kind = kind, .text = std::move(text)});
}

Roaring SnapStore::Impl::all_chunks() const {
  std::uint64_t bytes = std::max(origin.size_bytes(), state.origin_bytes);
  for (const auto& [epoch, boundary] : state.boundaries)
    bytes = std::max(bytes, boundary.size_bytes);
  Roaring all;
  all.addRange(0, std::min(ChunkGeometry{layout().chunk_shift, bytes}.chunk_count(), kMaxChunks));
  return all;
}

// What the hole held is some of its chunks. A chunk that a group before this one has is not read
// from here; every other one may have been here, so whoever would look for it further on, in a
// newer table or on the origin, might get what is too new.
void SnapStore::Impl::lose_hole(Table& table, const SalvagedRun::Hole& hole,
                                const std::string& name) {
  note_damage(
      DamageKind::kTable,
      fmt::format("table of {}: {}: the places of {} saved chunks from {} to {} are lost", name,
                  hole.error.message(), hole.entry_count, hole.first_chunk, hole.end_chunk - 1));
  Roaring chunks;
  chunks.addRange(hole.first_chunk, hole.end_chunk);
  chunks -= table.keys.bitmap();
  table.lose(chunks);
}

void SnapStore::Impl::keep_losses(Boundary& boundary) {
  if (!boundary.has_missing()) return;
  boundary.own_map();
  boundary.is_map_dirty = true;
}

// A change map may hold too much, never too little; and what is in the newest one is granted
// without a copy, so all of it must be in the table that older snapshots read. All that the table
// of the snapshot before it has is therefore the right answer; where there is none, all chunks.
void SnapStore::Impl::lose_change_maps(const std::vector<Epoch>& lost_maps) {
  for (const Epoch epoch : lost_maps) {
    Boundary& boundary = *state.find(epoch);
    if (!boundary.is_missing_stored) continue;
    for (Table* table : {boundary.table.get(), boundary.private_table.get()})
      if (table) table->lose(all_chunks() - table->keys.bitmap());
  }
  const Boundary* holder = nullptr;
  for (auto& [epoch, boundary] : state.boundaries) {
    if (boundary.is_live()) holder = &boundary;
    if (std::ranges::find(lost_maps, boundary.epoch) == lost_maps.end()) continue;
    boundary.map = holder ? holder->table->keys : ChunkSet(all_chunks());
    boundary.private_keys = boundary.is_live() ? ChunkSet() : ChunkSet(all_chunks());
    boundary.is_map_dirty = true;
  }
}

// It may have been a copy-out, a private write or a removal, of any snapshot there was: none of
// them can be trusted any more, and every list that begins before it holds everything. Snapshots
// made later know nothing of it.
void SnapStore::Impl::lose_record(const Error& error) {
  note_damage(DamageKind::kJournal, error.message());
  has_lost_records = true;
  judged.reset();
  std::vector<Epoch> live;
  for (const auto& [epoch, boundary] : state.boundaries)
    if (boundary.is_live()) live.push_back({epoch});
  for (const Epoch epoch : live) {
    note_damage(DamageKind::kJournal,
                fmt::format("snapshot {} is lost: the record may have been about it",
                            state.find(epoch)->tag));
    Freed ignored;
    DD_CHECK(state.apply(RemoveOp{epoch, Keep::kDropped}, ignored));
  }
  if (Boundary* newest = state.newest()) {
    newest->map = ChunkSet(all_chunks());
    newest->is_map_dirty = true;
  }
}

namespace {

// Operations that change no table: those that name what is not there any more are left out.
bool is_about_somebody_gone(const State& state, const Operation& operation) {
  if (const auto* op = std::get_if<ChangedOp>(&operation)) return !state.find(op->boundary);
  if (const auto* op = std::get_if<LoseTrackOp>(&operation)) return !state.find(op->boundary);
  if (const auto* op = std::get_if<RemoveOp>(&operation)) return !state.find(op->epoch);
  if (const auto* op = std::get_if<PrivateOp>(&operation)) {
    const Boundary* snapshot = state.find(op->snapshot);
    return !snapshot || !snapshot->is_live();
  }
  return false;
}

bool may_fail_to_fit(const Operation& operation) {
  return std::holds_alternative<MarkDroppingOp>(operation) ||
         std::holds_alternative<SetPriorityOp>(operation) ||
         std::holds_alternative<SetUseCountOp>(operation) ||
         std::holds_alternative<AttachOp>(operation) || std::holds_alternative<DetachOp>(operation);
}

}  // namespace

void SnapStore::Impl::apply_behind_lost(const Operation& operation) {
  if (is_about_somebody_gone(state, operation)) return;
  Freed ignored;
  if (const auto* create = std::get_if<CreateOp>(&operation))
    if (const Boundary* namesake = state.find(create->boundary.tag))
      DD_CHECK(state.apply(RemoveOp{namesake->epoch, Keep::kNothing}, ignored));
  const auto* copied = std::get_if<CopiedOutOp>(&operation);
  const Boundary* holder = copied ? state.find(copied->table) : nullptr;
  if (copied && (!holder || !holder->is_live())) {
    // The snapshot that it was for is lost; that the chunks changed is still true.
    ChangedOp changed{copied->boundary, {}};
    for (const ChunkException& entry : copied->exceptions) changed.chunks.push_back(entry.chunk);
    if (state.find(changed.boundary)) apply_behind_lost(changed);
    return;
  }
  const bool is_of_newest = !copied || (copied->table == state.newest_live() &&
                                        copied->boundary == state.newest()->epoch);
  const Status applied =
      is_of_newest
          ? state.apply(operation, ignored)
          : fail(ErrorCode::kDamaged, "a journal record behind the damaged one does not fit");
  if (applied && copied) judged = *copied;
  if (!applied && !may_fail_to_fit(operation)) lose_record(applied.error());
}

void SnapStore::Impl::note_known_losses() {
  for (const auto& [epoch, boundary] : state.boundaries) {
    if (!boundary.has_missing()) continue;
    const std::uint64_t count =
        boundary.table->missing.cardinality() +
        (boundary.private_table ? boundary.private_table->missing.cardinality() : 0);
    findings.push_back(fmt::format(
        "{} chunks of snapshot {} and older ones are lost since a repair; 'ddsnap check' tells "
        "which",
        count, boundary.tag));
  }
}

}  // namespace ddsnap
