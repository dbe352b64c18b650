#include "server/store/state.h"

#include <fmt/format.h>

#include <algorithm>

namespace ddsnap {

namespace {

std::unexpected<Error> does_not_fit(Epoch epoch) {
  return fail(ErrorCode::kDamaged,
              fmt::format("a journal record names epoch {}, which does not fit", epoch.value));
}

}  // namespace

void Boundary::own_map() {
  if (!map_is_keys) return;
  map = table->keys;
  map_is_keys = false;
  is_map_dirty = true;
}

bool Boundary::has_missing() const {
  return (table && !table->missing.isEmpty()) ||
         (private_table && !private_table->missing.isEmpty());
}

const ChunkSet& Boundary::written_keys() const {
  return private_table ? private_table->keys : private_keys;
}

BoundaryFacts Boundary::facts() const {
  return {.epoch = epoch,
          .uuid = uuid,
          .tag = tag,
          .kind = kind,
          .is_dropping = is_dropping,
          .priority = priority,
          .use_count = use_count,
          .created_ns = created_ns,
          .size_bytes = size_bytes,
          .changed_chunks = change_map().cardinality(),
          .exception_chunks = table ? table->keys.cardinality() : 0,
          .lost_chunks = table ? table->lost.cardinality() : 0,
          .private_chunks = private_table ? private_table->keys.cardinality() : 0};
}

Boundary* State::find(Epoch epoch) {
  const auto found = boundaries.find(epoch.value);
  return found == boundaries.end() ? nullptr : &found->second;
}
const Boundary* State::find(Epoch epoch) const {
  return const_cast<State*>(this)->find(epoch);
}

const Boundary* State::find(const std::string& tag) const {
  const auto found = epoch_of_tag_.find(tag);
  return found == epoch_of_tag_.end() ? nullptr : find(Epoch{found->second});
}

Boundary* State::newest() {
  return boundaries.empty() ? nullptr : &boundaries.rbegin()->second;
}
const Boundary* State::newest() const {
  return const_cast<State*>(this)->newest();
}

Result<Boundary*> State::find_live(Epoch epoch) {
  Boundary* boundary = find(epoch);
  if (!boundary || !boundary->is_live()) return does_not_fit(epoch);
  return boundary;
}

void State::rebuild_derived() {
  live_ = LiveIndex();
  epoch_of_tag_.clear();
  for (const auto& [epoch, boundary] : boundaries) {
    epoch_of_tag_[boundary.tag] = epoch;
    if (boundary.table) live_.add({epoch}, *boundary.table);
  }
  count_recent();
}

void State::count_recent() {
  recent_entries_ = 0;
  for (const auto& [epoch, boundary] : boundaries)
    for (const Table* table : {boundary.table.get(), boundary.private_table.get()})
      if (table) recent_entries_ += table->recent.size();
}

std::uint64_t Boundary::slots_held() const {
  const std::uint64_t written = private_table ? private_table->slot_count() : 0;
  return table ? table->slot_count() + written : 0;
}

std::uint64_t State::slots_freed_by_removing(const Boundary& boundary) const {
  if (!boundary.is_live()) return 0;
  const Table& table = *boundary.table;
  const std::uint64_t written = boundary.private_table ? boundary.private_table->slot_count() : 0;
  const Boundary* older = find(live_.before(boundary.epoch));
  if (!older) return table.slot_count() + written;
  const Roaring dead = common(table.keys, older->table->keys);
  return dead.cardinality() - common(table.slotless, dead).cardinality() + written;
}

Status State::apply(const Operation& operation, Freed& freed) {
  return std::visit([&](const auto& op) { return apply_one(op, freed); }, operation);
}

Status State::apply_one(const CopiedOutOp& op, Freed&) {
  Boundary* holder = DD_TRY(find_live(op.table));
  Boundary* changed = find(op.boundary);
  if (!changed || op.boundary < op.table) return does_not_fit(op.boundary);
  const bool is_one_set = holder == changed && holder->map_is_keys;
  if (!is_one_set) {
    holder->own_map();
    changed->is_map_dirty = true;
  }
  for (const ChunkException& entry : op.exceptions) {
    if (holder->table->has(entry.chunk)) return does_not_fit(op.table);
    holder->table->insert(entry);
    live_.note_key(op.table, entry.chunk);
    if (!is_one_set) changed->map.add(entry.chunk.value);
  }
  recent_entries_ += op.exceptions.size();
  return {};
}

Status State::apply_one(const ChangedOp& op, Freed&) {
  Boundary* changed = find(op.boundary);
  if (!changed || changed->map_is_keys) return does_not_fit(op.boundary);
  for (const ChunkNr chunk : op.chunks) changed->map.add(chunk.value);
  changed->is_map_dirty = true;
  return {};
}

Status State::apply_one(const PrivateOp& op, Freed&) {
  Boundary* snapshot = DD_TRY(find_live(op.snapshot));
  if (!snapshot->private_table) snapshot->private_table = std::make_unique<Table>();
  for (const ChunkException& entry : op.exceptions) {
    if (!entry.exception.has_slot() || snapshot->private_table->has(entry.chunk))
      return does_not_fit(op.snapshot);
    snapshot->private_table->insert(entry);
  }
  recent_entries_ += op.exceptions.size();
  return {};
}

Status State::apply_one(const CreateOp& op, Freed&) {
  if (op.epoch.value < next_epoch || op.epoch.value == UINT64_MAX) return does_not_fit(op.epoch);
  Boundary boundary{.epoch = op.epoch,
                    .uuid = op.boundary.uuid,
                    .tag = op.boundary.tag,
                    .priority = op.boundary.priority,
                    .created_ns = op.boundary.created_ns,
                    .size_bytes = op.size_bytes};
  if (op.boundary.is_bookmark) {
    boundary.kind = BoundaryKind::kBookmark;
    boundary.is_map_dirty = true;
  } else {
    boundary.table = std::make_unique<Table>();
    boundary.map_is_keys = true;
  }
  rest_newest_table();
  const auto [at, is_new] = boundaries.emplace(op.epoch.value, std::move(boundary));
  DD_CHECK(is_new);
  epoch_of_tag_[op.boundary.tag] = op.epoch.value;
  if (at->second.table) live_.add(op.epoch, *at->second.table);
  next_epoch = op.epoch.value + 1;
  last_created = op.epoch;
  return {};
}

// It gets no more entries. A large one rests at the next checkpoint: a create waits for nobody.
void State::rest_newest_table() {
  constexpr std::uint64_t kFewChunks = 1 << 16;
  const Boundary* open = find(newest_live());
  if (open && open->table->keys.cardinality() <= kFewChunks) open->table->rest();
}

Status State::apply_one(const MarkDroppingOp& op, Freed&) {
  DD_TRY(find_live(op.epoch))
  ->is_dropping = true;
  return {};
}

Status State::apply_one(const SetPriorityOp& op, Freed&) {
  Boundary* boundary = find(op.epoch);
  if (!boundary) return does_not_fit(op.epoch);
  boundary->priority = op.priority;
  return {};
}

Status State::apply_one(const SetUseCountOp& op, Freed&) {
  Boundary* boundary = find(op.epoch);
  if (!boundary) return does_not_fit(op.epoch);
  boundary->use_count = op.use_count;
  return {};
}

Status State::apply_one(const AttachOp& op, Freed&) {
  if (op.attachment.id < next_attachment_id || op.attachment.id == UINT32_MAX)
    return fail(ErrorCode::kDamaged, "a journal record attaches a target twice");
  attachments.push_back(op.attachment);
  if (op.attachment.is_origin) origin_digest.reset();
  next_attachment_id = op.attachment.id + 1;
  return {};
}

Status State::apply_one(const DetachOp& op, Freed&) {
  const auto erased =
      std::erase_if(attachments, [&](const Attachment& a) { return a.id == op.attachment_id; });
  if (erased != 1) return fail(ErrorCode::kDamaged, "a journal record detaches an unknown target");
  return {};
}

Status State::apply_one(const ResizeOriginOp& op, Freed&) {
  origin_bytes = op.size_bytes;
  return {};
}

Status State::apply_one(const StepDownOp& op, Freed&) {
  step_down = op.to;
  if (op.to.rung >= Rung::kTrackingOnly) give_up_all();
  return {};
}

Status State::apply_one(const SetSettingsOp& op, Freed&) {
  settings = op.settings;
  return {};
}

Status State::apply_one(const LoseTrackOp& op, Freed&) {
  Boundary* boundary = find(op.boundary);
  if (!boundary) return does_not_fit(op.boundary);
  boundary->is_map_incomplete = true;
  return {};
}

Status State::apply_one(const SealOriginOp& op, Freed&) {
  origin_digest = op.digest;
  return {};
}

// From now on chunks change without being copied, so each change map goes its own way.
void State::give_up_all() {
  for (auto& [epoch, boundary] : boundaries) {
    if (!boundary.is_live()) continue;
    boundary.own_map();
    boundary.is_dropping = true;
  }
}

// DESIGN section 3, delete(s) and bookmark(s): fold the table into the one before it, then join or
// keep the change map.
Status State::apply_one(const RemoveOp& op, Freed& freed) {
  Boundary* removed = find(op.epoch);
  if (!removed) return does_not_fit(op.epoch);
  const bool is_kept = op.keep != SnapStore::Keep::kNothing;
  if (removed->is_live()) {
    Boundary* older = find(live_.before(op.epoch));
    Boundary* previous = removed == &boundaries.begin()->second
                             ? nullptr
                             : &std::prev(boundaries.find(op.epoch.value))->second;
    // The two bitmaps of `older` stay one set only if it gets both the table and the change map,
    // and those are one set too.
    if (older && !(previous == older && !is_kept && removed->map_is_keys)) older->own_map();
    if (is_kept || (previous && !previous->map_is_keys)) removed->own_map();
    live_.remove(op.epoch);
    if (!is_kept && previous && !previous->map_is_keys) join_change_map(*removed);
    if (removed->private_table) {
      removed->private_keys = removed->private_table->keys;
      free_table(*removed->private_table, freed);
    }
    if (older)
      fold_table(*removed, *older, freed);
    else
      free_table(*removed->table, freed);
    removed->table.reset();
    removed->private_table.reset();
    removed->is_dropping = false;
  } else if (!is_kept && removed != &boundaries.begin()->second) {
    join_change_map(*removed);
  }
  if (is_kept) {
    removed->kind =
        op.keep == SnapStore::Keep::kBookmark ? BoundaryKind::kBookmark : BoundaryKind::kDropped;
    removed->is_map_dirty = true;
  } else {
    if (removed->is_map_incomplete && removed != &boundaries.begin()->second)
      std::prev(boundaries.find(op.epoch.value))->second.is_map_incomplete = true;
    epoch_of_tag_.erase(removed->tag);
    boundaries.erase(op.epoch.value);
  }
  count_recent();
  return {};
}

void State::join_change_map(Boundary& removed) {
  Boundary& previous = std::prev(boundaries.find(removed.epoch.value))->second;
  previous.own_map();
  previous.map |= removed.change_map();
  previous.map.rest();
  previous.is_map_dirty = true;
}

// The older epoch's entry wins (S4); what it shadows in the younger table dies.
void State::fold_table(Boundary& from, Boundary& into, Freed& freed) {
  Table& young = *from.table;
  Table& old = *into.table;
  Roaring dead = common(young.keys, old.keys);
  for (const auto& [chunk, exception] : young.recent) {
    if (old.keys.contains(chunk)) {
      freed.add(exception);
      dead.remove(chunk);
    } else {
      old.recent.emplace(chunk, exception);
    }
  }
  dead -= young.missing;  // those hold no slot, and have no entry that counts
  if (!dead.isEmpty()) freed.reclaims.push_back({young.groups, std::move(dead)});
  old.slotless |= without(young.slotless.bitmap(), old.keys);
  old.lost |= without(young.lost, old.keys);
  if (!young.missing.isEmpty()) {
    old.missing |= without(young.missing, old.keys);
    into.is_map_dirty = true;
  }
  old.keys |= young.keys;
  live_.note_keys(into.epoch, young.keys);
  for (RunGroup& group : young.groups) old.groups.push_back(std::move(group));
  old.rest();
}

void State::free_table(Table& table, Freed& freed) {
  Roaring dead = table.keys.bitmap() - table.missing;
  for (const auto& [chunk, exception] : table.recent) {
    freed.add(exception);
    dead.remove(chunk);
  }
  if (!dead.isEmpty()) freed.reclaims.push_back({std::move(table.groups), std::move(dead)});
}

void State::forget_copy_out(Epoch table, Epoch boundary, ChunkNr chunk) {
  find(table)->table->forget_recent(chunk);
  Boundary* changed = find(boundary);
  if (!changed->map_is_keys) changed->map.remove(chunk.value);
  --recent_entries_;
}

}  // namespace ddsnap
