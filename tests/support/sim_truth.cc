#include "tests/support/sim_truth.h"

#include <fmt/format.h>

#include <algorithm>

#include "ddsnap/base/hash.h"

namespace ddsnap::test {

namespace {

using Kind = SimCommand::Kind;

std::string_view name_of(BoundaryKind kind) {
  switch (kind) {
    case BoundaryKind::kLive:
      return "live";
    case BoundaryKind::kBookmark:
      return "a bookmark";
    case BoundaryKind::kDropped:
      return "dropped";
  }
  return "?";
}

}  // namespace

SimTruth::SimTruth(SimContents& contents, std::uint64_t volume_bytes)
    : contents_(contents),
      chunk_count_(
          static_cast<std::uint32_t>(ChunkGeometry{kSimChunkShift, volume_bytes}.chunk_count())),
      origin_(volume_bytes / kSimSectorBytes) {}

const SimTruth::Boundary* SimTruth::find(const Uuid& uuid) const {
  const auto found = std::ranges::find(boundaries_, uuid, &Boundary::uuid);
  return found == boundaries_.end() ? nullptr : &*found;
}

const SimTruth::Boundary* SimTruth::find(const std::string& tag) const {
  const auto found = std::ranges::find(boundaries_, tag, &Boundary::tag);
  return found == boundaries_.end() ? nullptr : &*found;
}

SimTruth::Boundary* SimTruth::find_mutable(const Uuid& uuid) {
  return const_cast<Boundary*>(find(uuid));
}

std::uint32_t SimTruth::sectors_in(std::uint32_t chunk) const {
  return std::min(kSimChunkSectors, sector_count() - chunk * kSimChunkSectors);
}

SimTruth::ChunkSet SimTruth::changed_since(const Uuid& from) const {
  const auto first = std::ranges::find(boundaries_, from, &Boundary::uuid);
  ChunkSet changed;
  if (first != boundaries_.end()) changed = first->written;
  for (auto at = first; at != boundaries_.end(); ++at) changed |= at->changed;
  for (std::uint32_t chunk = 0; chunk < chunk_count_; ++chunk)
    if (changed.test(chunk) && undone_.test(chunk) && !first->written.test(chunk) &&
        is_as_at_birth(*first, chunk))
      changed.reset(chunk);
  return changed;
}

bool SimTruth::is_as_at_birth(const Boundary& boundary, std::uint32_t chunk) const {
  for (std::uint32_t i = 0; i < sectors_in(chunk); ++i) {
    const std::uint32_t sector = chunk * kSimChunkSectors + i;
    if (boundary.origin_at_birth.at(sector) != origin_.at(sector)) return false;
  }
  return true;
}

// ---- what happens ----

void SimTruth::origin_written(std::uint32_t sector, ContentId content) {
  ++landed_;
  origin_.write(sector, content);
  if (!boundaries_.empty()) boundaries_.back().changed.set(sector / kSimChunkSectors);
}

void SimTruth::private_write_begins(const Uuid& snapshot, std::uint32_t chunk,
                                    std::uint64_t now_ns) {
  Boundary* boundary = find_mutable(snapshot);
  if (boundary == nullptr || boundary->kind != BoundaryKind::kLive) return;
  ++boundary->writers[chunk];
  boundary->touched[chunk] = now_ns;
}

void SimTruth::private_written(const Uuid& snapshot, std::uint32_t sector, ContentId content) {
  Boundary* boundary = find_mutable(snapshot);
  if (boundary == nullptr || boundary->kind != BoundaryKind::kLive) return;
  boundary->image.write(sector, content);
  boundary->written.set(sector / kSimChunkSectors);
}

void SimTruth::private_write_ends(const Uuid& snapshot, std::uint32_t chunk, std::uint64_t now_ns) {
  Boundary* boundary = find_mutable(snapshot);
  if (boundary == nullptr || boundary->kind != BoundaryKind::kLive) return;
  if (boundary->writers[chunk] > 0) --boundary->writers[chunk];
  boundary->touched[chunk] = now_ns;
}

void SimTruth::snapstore_flushed() {
  if (!is_settled_) return;
  for (Boundary& boundary : boundaries_) boundary.image.on_flush();
}

void SimTruth::snapstore_flush_failed() {
  if (!is_settled_) return;
  for (Boundary& boundary : boundaries_) boundary.image.on_failed_flush();
}

// ---- what is checked ----

std::string SimTruth::observe(const SnapStore& store, const Circumstances& circumstances) {
  const auto all = store.boundaries({}, kMaxBoundaries);
  // Those that are gone first: a tag may have been taken again.
  for (std::size_t i = 0; i < boundaries_.size();) {
    const bool is_there = std::ranges::count(all, boundaries_[i].uuid, &BoundaryFacts::uuid) != 0;
    if (is_there) {
      ++i;
      continue;
    }
    if (auto wrong = observe_gone(i, circumstances); !wrong.empty()) return wrong;
  }
  for (const BoundaryFacts& facts : all) {
    Boundary* known = find_mutable(facts.uuid);
    auto wrong = known != nullptr ? observe_known(*known, facts, store, circumstances)
                                  : observe_new(facts, circumstances);
    if (!wrong.empty()) return wrong;
  }
  return {};
}

// T4, T6: no slot is freed that a target may still use.
std::string SimTruth::check_unread(const Boundary& boundary, const Circumstances& circumstances) {
  if (boundary.kind != BoundaryKind::kLive || !circumstances.reader) return {};
  const std::string reader = circumstances.reader(boundary.uuid);
  if (reader.empty()) return {};
  return fmt::format("the data of snapshot {} is given up while {} may use it (T4, T6)",
                     boundary.tag, reader);
}

std::string SimTruth::observe_gone(std::size_t index, const Circumstances& circumstances) {
  Boundary& boundary = boundaries_[index];
  if (auto wrong = check_unread(boundary, circumstances); !wrong.empty()) return wrong;
  SimCommand* why = commands_.find_open([&](const SimCommand& command) {
    return command.kind == Kind::kRemove && command.tag == boundary.tag && !command.is_bookmark;
  });
  // Metadata is short (S9). The last target of what is given up may have gone in the same step.
  const bool may_be_expired =
      circumstances.may_drop && (boundary.kind != BoundaryKind::kLive || boundary.is_dropping);
  if (why == nullptr && !may_be_expired)
    return fmt::format("{} {} is gone, and nobody has asked for that (S6)", name_of(boundary.kind),
                       boundary.tag);
  // What is held is not deleted on anybody's order: then it was the want of room.
  if (why != nullptr && !(may_be_expired && boundary.use_count != 0)) {
    why->is_open = false;
    why->has_happened = true;
    if (boundary.use_count != 0)
      return fmt::format("{} was deleted with a use count of {}", boundary.tag, boundary.use_count);
  }
  if (index > 0) boundaries_[index - 1].changed |= boundary.changed;
  boundaries_.erase(boundaries_.begin() + static_cast<std::ptrdiff_t>(index));
  return {};
}

std::string SimTruth::observe_new(const BoundaryFacts& facts, const Circumstances& circumstances) {
  SimCommand* why = commands_.find_open([&](const SimCommand& command) {
    // What was held is the instant at which its client was told so (T2).
    return command.kind == Kind::kCreate && command.uuid == facts.uuid && command.is_committed &&
           (!command.is_held || command.landed_when_held == landed_);
  });
  if (why == nullptr || why->tag != facts.tag || why->priority != facts.priority ||
      why->is_bookmark != (facts.kind == BoundaryKind::kBookmark))
    return fmt::format("snapshot {} is there, and nobody has asked for it now (S6, T2)", facts.tag);
  if (!boundaries_.empty() && facts.epoch <= boundaries_.back().epoch)
    return fmt::format("snapshot {} has an epoch that is not the newest", facts.tag);
  if (!circumstances.writer.empty())
    return fmt::format("snapshot {} was made while {} had writes in flight (T2)", facts.tag,
                       circumstances.writer);
  why->is_open = false;
  why->has_happened = true;
  created_.insert(facts.uuid);
  Boundary boundary{.uuid = facts.uuid,
                    .epoch = facts.epoch,
                    .tag = facts.tag,
                    .kind = facts.kind,
                    .priority = facts.priority};
  boundary.origin_at_birth = origin_;
  boundary.origin_at_birth.forget_doubts();  // T2: the origin was flushed
  if (facts.kind == BoundaryKind::kLive) {
    boundary.image = boundary.origin_at_birth;
    boundary.touched.resize(chunk_count_);
    boundary.writers.resize(chunk_count_);
  }
  boundaries_.push_back(std::move(boundary));
  return {};
}

// A mark changes no table, so what is free to be dropped is still as it was when the victim was
// chosen.
std::string SimTruth::better_victim(const SnapStore& store) {
  for (const BoundaryFacts& other : store.boundaries({}, kMaxBoundaries)) {
    const bool may_go = other.kind == BoundaryKind::kLive && !other.is_dropping &&
                        other.priority != kSimNeverDropped && other.use_count == 0;
    const bool is_attached =
        std::ranges::count(store.attachments(), other.epoch, &Attachment::snapshot) != 0;
    if (may_go && !is_attached && store.slots_freed_by_removing(other.epoch) != 0) return other.tag;
  }
  return {};
}

std::string SimTruth::observe_known(Boundary& boundary, const BoundaryFacts& facts,
                                    const SnapStore& store, const Circumstances& circumstances) {
  if (boundary.tag != facts.tag || boundary.epoch != facts.epoch)
    return fmt::format("snapshot {} has changed its name or epoch", boundary.tag);
  if (facts.kind != boundary.kind) {
    if (auto wrong = check_unread(boundary, circumstances); !wrong.empty()) return wrong;
    SimCommand* why = commands_.find_open([&](const SimCommand& command) {
      return command.kind == Kind::kRemove && command.tag == boundary.tag && command.is_bookmark;
    });
    const bool is_wanted = why != nullptr && facts.kind == BoundaryKind::kBookmark;
    const bool is_dropped = facts.kind == BoundaryKind::kDropped && circumstances.may_drop &&
                            boundary.kind == BoundaryKind::kLive;
    if (!is_wanted && !is_dropped)
      return fmt::format("snapshot {} was {} and is {}, and nobody has asked for that (S6)",
                         boundary.tag, name_of(boundary.kind), name_of(facts.kind));
    if (is_dropped && boundary.priority == kSimNeverDropped && !boundary.is_dropping)
      return fmt::format("snapshot {} was dropped in spite of its priority", boundary.tag);
    if (is_dropped && !boundary.is_dropping) ++drops_;
    if (is_wanted) {
      why->is_open = false;
      why->has_happened = true;
    }
    give_up_data(boundary, facts.kind);
  }
  if (facts.is_dropping && !boundary.is_dropping) {
    ++drops_;
    if (!circumstances.may_drop)
      return fmt::format("snapshot {} is dropped, and the store is not full", boundary.tag);
    if (boundary.priority == kSimNeverDropped)
      return fmt::format("snapshot {} is dropped in spite of its priority", boundary.tag);
    if (const std::string better = better_victim(store); !better.empty())
      return fmt::format("snapshot {}, in use, is dropped, and {}, which nobody uses, is not",
                         boundary.tag, better);
  }
  if (boundary.is_dropping && !facts.is_dropping && facts.kind == BoundaryKind::kLive)
    return fmt::format("snapshot {} was given up and is alive again (T6)", boundary.tag);
  boundary.is_dropping = facts.is_dropping;
  if (facts.priority != boundary.priority) {
    SimCommand* why = commands_.find_open([&](const SimCommand& command) {
      return command.kind == Kind::kPriority && command.tag == boundary.tag &&
             command.priority == facts.priority;
    });
    if (why == nullptr)
      return fmt::format("snapshot {} has priority {}, not {} (S6)", boundary.tag, facts.priority,
                         boundary.priority);
    why->is_open = false;
    why->has_happened = true;
    boundary.priority = facts.priority;
    ++boundary.priority_changes;
  }
  if (facts.use_count != boundary.use_count) {
    SimCommand* why = commands_.find_open([&](const SimCommand& command) {
      return command.kind == Kind::kUseCount && command.tag == boundary.tag &&
             boundary.use_count + static_cast<std::uint32_t>(command.difference) == facts.use_count;
    });
    if (why == nullptr)
      return fmt::format("snapshot {} has use count {}, not {} (S6)", boundary.tag, facts.use_count,
                         boundary.use_count);
    why->is_open = false;
    why->has_happened = true;
    boundary.use_count = facts.use_count;
  }
  return {};
}

void SimTruth::give_up_data(Boundary& boundary, BoundaryKind kind) {
  boundary.kind = kind;
  boundary.is_dropping = false;
  boundary.image = SimSectors();
  boundary.touched.clear();
  boundary.writers.clear();
}

std::string SimTruth::settle_origin(BlockDevice& origin) {
  is_settled_ = false;
  std::vector<std::byte> bytes(origin_.count() * kSimSectorBytes);
  if (const Status read = origin.read_at(0, bytes); !read) return read.error().message();
  for (std::uint32_t sector = 0; sector < sector_count(); ++sector) {
    const ContentId before = origin_.at(sector);
    if (!origin_.settle(sector, std::span(bytes).subspan(sector * kSimSectorBytes, kSimSectorBytes),
                        contents_))
      return fmt::format("the origin's sector {} holds what nobody has written", sector);
    if (origin_.at(sector) != before) undone_.set(sector / kSimChunkSectors);
  }
  origin_.forget_doubts();
  for (Boundary& boundary : boundaries_) std::ranges::fill(boundary.writers, 0);
  return {};
}

std::string SimTruth::settle_snapshots(SnapStore& store, BlockDevice& snapstore) {
  if (std::exchange(is_settled_, true)) return {};
  for (Boundary& boundary : boundaries_) {
    if (boundary.kind != BoundaryKind::kLive) continue;
    if (auto wrong = settle_private(boundary, store, snapstore); !wrong.empty()) return wrong;
  }
  return {};
}

std::string SimTruth::settle_private(Boundary& boundary, SnapStore& store, BlockDevice& snapstore) {
  std::vector<Location> at;
  std::vector<std::byte> bytes(kSimChunkBytes);
  for (std::uint32_t chunk = 0; chunk < chunk_count_; ++chunk) {
    if (!boundary.written.test(chunk)) continue;
    bool is_in_doubt = false;
    for (std::uint32_t i = 0; i < sectors_in(chunk); ++i)
      is_in_doubt |= boundary.image.is_in_doubt(chunk * kSimChunkSectors + i);
    if (!is_in_doubt) continue;
    at.clear();
    const Status located = store.locate(boundary.epoch, {{chunk}, 1}, at);
    if (!located) return located.error().message();
    if (at[0].place != Location::Place::kPrivate)
      return fmt::format("snapshot {} chunk {} was written and is not private any more",
                         boundary.tag, chunk);
    const Status read = snapstore.read_at(
        store.facts().slots_offset_bytes + at[0].slot.value * kSimChunkBytes, bytes);
    if (!read) return read.error().message();
    for (std::uint32_t i = 0; i < sectors_in(chunk); ++i)
      if (!boundary.image.settle(chunk * kSimChunkSectors + i,
                                 std::span(bytes).subspan(i * kSimSectorBytes, kSimSectorBytes),
                                 contents_))
        return fmt::format("snapshot {} chunk {} holds what nobody has written to it", boundary.tag,
                           chunk);
  }
  boundary.image.forget_doubts();
  return {};
}

std::string SimTruth::compare(SnapStore& store, BlockDevice& snapstore, BlockDevice& origin) const {
  for (const Boundary& boundary : boundaries_)
    if (boundary.kind == BoundaryKind::kLive)
      if (auto wrong = compare_one(boundary, store, snapstore, origin); !wrong.empty())
        return wrong;
  return {};
}

std::string SimTruth::compare_one(const Boundary& boundary, SnapStore& store,
                                  BlockDevice& snapstore, BlockDevice& origin) const {
  std::vector<Location> places;
  const Status located = store.locate(boundary.epoch, {{0}, chunk_count_}, places);
  if (!located)
    return fmt::format("snapshot {} cannot be looked up: {}", boundary.tag,
                       located.error().message());
  std::vector<std::byte> bytes(kSimChunkBytes);
  for (std::uint32_t chunk = 0; chunk < chunk_count_; ++chunk) {
    const std::uint32_t sectors = sectors_in(chunk);
    const Location& place = places[chunk];
    const std::uint64_t slot_offset =
        store.facts().slots_offset_bytes + std::uint64_t{place.slot.value} * kSimChunkBytes;
    Status read;
    switch (place.place) {
      case Location::Place::kOrigin:
        read = origin.read_at(std::uint64_t{chunk} * kSimChunkBytes,
                              std::span(bytes).first(sectors * kSimSectorBytes));
        break;
      case Location::Place::kZero:
        std::ranges::fill(bytes, std::byte{0});
        break;
      case Location::Place::kSlot:
      case Location::Place::kPrivate:
        read = snapstore.read_at(slot_offset, bytes);
        break;
      case Location::Place::kDamaged:
        read = fail(ErrorCode::kDamaged, "damaged");
        break;
    }
    if (!read)
      return fmt::format("snapshot {} chunk {} cannot be read: {}", boundary.tag, chunk,
                         read.error().message());
    if (place.place == Location::Place::kSlot && hash_chunk(bytes) != place.hash)
      return fmt::format("snapshot {} chunk {}: slot {} has another hash", boundary.tag, chunk,
                         place.slot.value);
    for (std::uint32_t i = 0; i < sectors; ++i) {
      const std::uint32_t sector = chunk * kSimChunkSectors + i;
      if (!contents_.matches(boundary.image.at(sector), sector,
                             std::span(bytes).subspan(i * kSimSectorBytes, kSimSectorBytes)))
        return fmt::format("snapshot {} chunk {} sector {} (place {}) is not as it was",
                           boundary.tag, chunk, i, static_cast<int>(place.place));
    }
  }
  return {};
}

}  // namespace ddsnap::test
