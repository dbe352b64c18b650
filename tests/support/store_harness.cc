// StoreHarness: the model's own answers, and the steps drawn from the seed.
#include "tests/support/store_harness.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "ddsnap/base/hash.h"

namespace ddsnap::test {

namespace {

constexpr std::size_t kChunk = StoreHarness::kChunkBytes;

std::uint64_t chunk_count(const BlockDevice& origin) {
  return ChunkGeometry{StoreHarness::kChunkShift, origin.size_bytes()}.chunk_count();
}

std::size_t bytes_on(const BlockDevice& origin, std::uint32_t chunk) {
  return ChunkGeometry{StoreHarness::kChunkShift, origin.size_bytes()}
      .bytes_of({chunk})
      .length_bytes;
}

// The bytes that a snapshot target would serve for this location; none: it would report damage.
std::optional<std::vector<std::byte>> served(const Location& location, std::uint32_t chunk,
                                             SnapStore& store, BlockDevice& snapstore,
                                             BlockDevice& origin) {
  std::vector<std::byte> bytes(kChunk);
  const std::uint64_t slot_offset = store.facts().slots_offset_bytes + location.slot.value * kChunk;
  switch (location.place) {
    case Location::Place::kZero:
      return bytes;
    case Location::Place::kOrigin:
      if (!origin.read_at(std::uint64_t{chunk} * kChunk,
                          std::span(bytes).first(bytes_on(origin, chunk))))
        return std::nullopt;
      return bytes;
    case Location::Place::kPrivate:
    case Location::Place::kSlot:
      if (!snapstore.read_at(slot_offset, bytes)) return std::nullopt;
      if (location.place == Location::Place::kSlot && hash_chunk(bytes) != location.hash)
        return std::nullopt;
      return bytes;
    case Location::Place::kDamaged:
      break;
  }
  return std::nullopt;
}

std::string check_image(SnapStore& store, BlockDevice& snapstore, BlockDevice& origin,
                        const ModelBoundary& expected, Epoch epoch) {
  const auto chunks = static_cast<std::uint32_t>(chunk_count(origin));
  std::vector<Location> locations;
  const Status located = store.locate(epoch, {{0}, chunks}, locations);
  if (!located) return "locate: " + located.error().message();
  for (std::uint32_t chunk = 0; chunk < chunks; ++chunk) {
    if (expected.dirty.contains(chunk)) continue;
    auto want = content_bytes(expected.image[chunk], kChunk);
    const std::size_t length = bytes_on(origin, chunk);
    const auto got = served(locations[chunk], chunk, store, snapstore, origin);
    if (!got) return fmt::format("snapshot {} chunk {} cannot be read", expected.tag, chunk);
    if (std::memcmp(got->data(), want.data(), length) != 0)
      return fmt::format("snapshot {} chunk {} (place {}) holds other bytes than content {}",
                         expected.tag, chunk, static_cast<int>(locations[chunk].place),
                         expected.image[chunk]);
  }
  return {};
}

std::set<std::uint32_t> model_changed(const Model& model, std::size_t from, std::size_t to) {
  std::set<std::uint32_t> changed = model.boundaries[from].written;
  changed.insert(model.boundaries[to].written.begin(), model.boundaries[to].written.end());
  for (std::size_t i = from; i < to; ++i)
    changed.insert(model.boundaries[i].changed.begin(), model.boundaries[i].changed.end());
  return changed;
}

std::string check_changelist(SnapStore& store, const Model& model, std::size_t from, std::size_t to,
                             bool is_exact) {
  const auto from_facts = store.find(model.boundaries[from].uuid);
  const auto to_facts = store.find(model.boundaries[to].uuid);
  if (!from_facts || !to_facts) return {};
  const auto changed = store.changed(from_facts->epoch, to_facts->epoch);
  if (!changed) return "changed: " + changed.error().message();
  const std::set<std::uint32_t> expected = model_changed(model, from, to);
  for (const std::uint32_t chunk : expected)
    if (!changed->contains(chunk))
      return fmt::format("changelist {}..{} lacks chunk {}", model.boundaries[from].tag,
                         model.boundaries[to].tag, chunk);
  if (is_exact && changed->cardinality() != expected.size())
    return fmt::format("changelist {}..{} has {} chunks, not {}", model.boundaries[from].tag,
                       model.boundaries[to].tag, changed->cardinality(), expected.size());
  return {};
}

// The content number that a chunk holds, of those it may.
Content identify(const std::vector<std::byte>& bytes, std::size_t length, Content newest) {
  for (Content content = newest; content > 0; --content)
    if (std::memcmp(content_bytes(content, kChunk).data(), bytes.data(), length) == 0)
      return content;
  return 0;
}

}  // namespace

std::vector<std::byte> content_bytes(Content content, std::size_t chunk_bytes) {
  std::vector<std::byte> bytes(chunk_bytes);
  if (content != 0) SeededRandom(content).fill(bytes);
  return bytes;
}

StoreHarness::StoreHarness(SnapStore& store, BlockDevice& snapstore, BlockDevice& origin,
                           Model& model, RandomSource& random, const HarnessMix& mix)
    : store_(store),
      snapstore_(snapstore),
      origin_(origin),
      model_(model),
      random_(random),
      mix_(mix) {
  model_.origin.resize(chunk_count(origin));
}

Status StoreHarness::step() {
  const HarnessMix& m = mix_;
  struct Act {
    unsigned weight;
    Status (*run)(StoreHarness&);
  };
  const Act acts[] = {
      {m.write, [](StoreHarness& h) { return h.random_write(); }},
      {m.create, [](StoreHarness& h) { return h.create(false); }},
      {m.bookmark, [](StoreHarness& h) { return h.create(true); }},
      {m.remove, [](StoreHarness& h) { return h.random_remove(SnapStore::Keep::kNothing); }},
      {m.to_bookmark, [](StoreHarness& h) { return h.random_remove(SnapStore::Keep::kBookmark); }},
      {m.snapshot_write, [](StoreHarness& h) { return h.snapshot_write(); }},
      {m.background, [](StoreHarness& h) { return h.store_.background_step(); }},
      {m.seal, [](StoreHarness& h) { return h.store_.seal(); }},
      {m.attribute, [](StoreHarness& h) { return h.change_attribute(); }},
      {m.checkpoint, [](StoreHarness& h) { return h.store_.close_cleanly(); }},
  };
  unsigned total = 0;
  for (const Act& act : acts) total += act.weight;
  std::uint64_t draw = random_.below(total);
  for (const Act& act : acts) {
    if (draw < act.weight) return act.run(*this);
    draw -= act.weight;
  }
  return {};
}

Status StoreHarness::drain_background() {
  while (store_.has_background_work()) DD_TRY(store_.background_step());
  return {};
}

Status StoreHarness::random_write() {
  const auto first = static_cast<std::uint32_t>(random_.below(model_.origin.size()));
  const auto most = std::min<std::uint64_t>(model_.origin.size() - first, 8);
  return write_chunks(first, static_cast<std::uint32_t>(1 + random_.below(most)));
}

Status StoreHarness::write_chunks(std::uint32_t first, std::uint32_t count) {
  std::vector<WriteAsk> asks;
  for (std::uint32_t i = 0; i < count; ++i) asks.push_back({{first + i}});
  DD_TRY(store_.prepare_writes(asks));
  for (const WriteAsk& ask : asks) {
    if (ask.outcome != WriteAsk::Outcome::kGranted) continue;
    if (!model_.boundaries.empty()) model_.boundaries.back().changed.insert(ask.chunk.value);
    const Content content = random_.below(100) < mix_.zero_percent ? 0 : model_.next_content++;
    DD_TRY(write_origin(ask.chunk.value, content));
  }
  return {};
}

Status StoreHarness::write_origin(std::uint32_t chunk, Content content) {
  model_.origin[chunk] = content;
  const auto bytes = content_bytes(content, kChunkBytes);
  return origin_.write_at(std::uint64_t{chunk} * kChunkBytes,
                          std::span(bytes).first(bytes_on(origin_, chunk)));
}

Status StoreHarness::create(bool is_bookmark) {
  DD_TRY(origin_.flush());  // T2
  const std::uint64_t number = model_.next_content++;
  ModelBoundary boundary{
      .uuid = Uuid::make(random_), .tag = fmt::format("s{}", number), .is_live = !is_bookmark};
  if (!is_bookmark) boundary.image = model_.origin;
  model_.maybe_created = boundary;
  const auto created = store_.create({.uuid = boundary.uuid,
                                      .tag = boundary.tag,
                                      .is_bookmark = is_bookmark,
                                      .created_ns = number});
  if (!created && created.error().code != ErrorCode::kNoSpace)
    return std::unexpected(created.error());
  model_.maybe_created.reset();
  if (created) model_.boundaries.push_back(std::move(boundary));
  return {};
}

ModelBoundary* StoreHarness::random_boundary(bool live_only) {
  std::vector<ModelBoundary*> candidates;
  for (ModelBoundary& boundary : model_.boundaries)
    if (boundary.is_live || !live_only) candidates.push_back(&boundary);
  return candidates.empty() ? nullptr : candidates[random_.below(candidates.size())];
}

Status StoreHarness::random_remove(SnapStore::Keep keep) {
  ModelBoundary* boundary = random_boundary(keep != SnapStore::Keep::kNothing);
  if (!boundary) return {};
  return remove(static_cast<std::size_t>(boundary - model_.boundaries.data()), keep);
}

Status StoreHarness::remove(std::size_t index, SnapStore::Keep keep) {
  ModelBoundary& boundary = model_.boundaries[index];
  model_.maybe_removed = boundary.uuid;
  DD_TRY(store_.remove(store_.find(boundary.uuid)->epoch, keep));
  model_.maybe_removed.reset();
  if (keep != SnapStore::Keep::kNothing) {
    boundary.is_live = false;
    boundary.image.clear();
    boundary.dirty.clear();
    return {};
  }
  if (index > 0)
    model_.boundaries[index - 1].changed.insert(boundary.changed.begin(), boundary.changed.end());
  model_.boundaries.erase(model_.boundaries.begin() + static_cast<std::ptrdiff_t>(index));
  return {};
}

Status StoreHarness::snapshot_write() {
  ModelBoundary* snapshot = random_boundary(true);
  if (!snapshot) return {};
  const auto chunk = static_cast<std::uint32_t>(random_.below(model_.origin.size()));
  const ChunkNr chunks[] = {{chunk}};
  const auto slot =
      store_.prepare_snapshot_writes(store_.find(snapshot->uuid)->epoch, std::span(chunks));
  if (!slot && slot.error().code == ErrorCode::kNoSpace) return {};
  if (!slot) return std::unexpected(slot.error());
  snapshot->written.insert(chunk);
  snapshot->dirty.insert(chunk);
  snapshot->image[chunk] = model_.next_content++;
  const auto bytes = content_bytes(snapshot->image[chunk], kChunkBytes);
  DD_TRY(snapstore_.write_at(store_.facts().slots_offset_bytes + (*slot)[0].value * kChunkBytes,
                             bytes));
  if (random_.below(2) == 0) return {};
  DD_TRY(snapstore_.flush());
  for (ModelBoundary& boundary : model_.boundaries) boundary.dirty.clear();
  return {};
}

Status StoreHarness::change_attribute() {
  const ModelBoundary* boundary = random_boundary(false);
  if (!boundary) return {};
  const Epoch epoch = store_.find(boundary->uuid)->epoch;
  if (random_.below(2) == 0) return store_.set_priority(epoch, static_cast<std::int8_t>(3));
  return store_.set_use_count(epoch, static_cast<std::uint32_t>(random_.below(5)));
}

std::string check_store(SnapStore& store, BlockDevice& snapstore, BlockDevice& origin,
                        const Model& model, bool is_exact) {
  std::set<Uuid> known;
  for (const ModelBoundary& expected : model.boundaries) {
    known.insert(expected.uuid);
    const auto facts = store.find(expected.uuid);
    const bool may_be_gone = model.maybe_removed == expected.uuid;
    if (!facts && may_be_gone) continue;
    if (!facts) return "acknowledged snapshot " + expected.tag + " is gone";
    if (facts->tag != expected.tag) return "snapshot " + expected.tag + " has another tag";
    const bool is_live = facts->kind == BoundaryKind::kLive;
    if (is_live != expected.is_live && !may_be_gone)
      return "snapshot " + expected.tag + " is of another kind";
    if (!is_live) continue;
    if (auto wrong = check_image(store, snapstore, origin, expected, facts->epoch); !wrong.empty())
      return wrong;
  }
  if (model.maybe_created) {
    known.insert(model.maybe_created->uuid);
    const auto facts = store.find(model.maybe_created->uuid);
    if (facts && facts->kind == BoundaryKind::kLive)
      if (auto wrong = check_image(store, snapstore, origin, *model.maybe_created, facts->epoch);
          !wrong.empty())
        return "just created: " + wrong;
  }
  for (const BoundaryFacts& facts : store.boundaries({}, kMaxBoundaries))
    if (!known.contains(facts.uuid)) return "snapshot " + facts.tag + " should not be there";
  for (std::size_t to = 0; to < model.boundaries.size(); ++to)
    for (std::size_t from = 0; from <= to; ++from)
      if (auto wrong = check_changelist(store, model, from, to, is_exact); !wrong.empty())
        return wrong;
  return {};
}

void settle(Model& model, SnapStore& store, BlockDevice& snapstore, BlockDevice& origin) {
  if (model.maybe_created && store.find(model.maybe_created->uuid))
    model.boundaries.push_back(*model.maybe_created);
  model.maybe_created.reset();
  if (model.maybe_removed) {
    for (std::size_t i = 0; i < model.boundaries.size(); ++i) {
      ModelBoundary& boundary = model.boundaries[i];
      if (boundary.uuid != *model.maybe_removed) continue;
      const auto facts = store.find(boundary.uuid);
      if (facts) {
        boundary.is_live = facts->kind == BoundaryKind::kLive;
        break;
      }
      if (i > 0)
        model.boundaries[i - 1].changed.insert(boundary.changed.begin(), boundary.changed.end());
      model.boundaries.erase(model.boundaries.begin() + static_cast<std::ptrdiff_t>(i));
      break;
    }
  }
  model.maybe_removed.reset();
  std::vector<std::byte> bytes(kChunk);
  for (std::uint32_t chunk = 0; chunk < model.origin.size(); ++chunk) {
    const std::size_t length = bytes_on(origin, chunk);
    if (!origin.read_at(std::uint64_t{chunk} * kChunk, std::span(bytes).first(length))) continue;
    // A torn write left bytes that are no content's: write one that is. The chunk was granted, so
    // this is a lawful write.
    const Content found = identify(bytes, length, model.next_content);
    const auto whole = content_bytes(found, kChunk);
    if (std::memcmp(whole.data(), bytes.data(), length) != 0)
      static_cast<void>(
          origin.write_at(std::uint64_t{chunk} * kChunk, std::span(whole).first(length)));
    model.origin[chunk] = found;
  }
  for (ModelBoundary& boundary : model.boundaries) {
    const auto facts = store.find(boundary.uuid);
    if (!boundary.is_live || !facts) continue;
    // What was privately written and not flushed is whatever it is now.
    std::vector<Location> locations;
    const auto chunks = static_cast<std::uint32_t>(model.origin.size());
    if (!store.locate(facts->epoch, {{0}, chunks}, locations)) continue;
    for (const std::uint32_t chunk : boundary.dirty) {
      if (locations[chunk].place != Location::Place::kPrivate) continue;
      boundary.image[chunk] = model.next_content++;
      const auto content = content_bytes(boundary.image[chunk], kChunk);
      static_cast<void>(snapstore.write_at(
          store.facts().slots_offset_bytes + locations[chunk].slot.value * kChunk, content));
    }
    if (snapstore.flush()) boundary.dirty.clear();
  }
}

}  // namespace ddsnap::test
