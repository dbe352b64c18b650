#include "tests/support/damaged_store.h"

#include <fmt/format.h>

#include <cstring>

#include "ddsnap/base/hash.h"
#include "server/store/layout.h"

namespace ddsnap::test {

namespace {

constexpr std::size_t kChunk = StoreHarness::kChunkBytes;
constexpr std::uint64_t kOriginBytes = 60 * kChunk + 512;
constexpr std::uint64_t kStoreBytes = 2u << 20;
constexpr std::uint64_t kMetadataBytes = 640u << 10;

void add_to(std::map<Epoch, std::set<std::uint32_t>>& sets, const Damage& damage,
            const std::vector<BoundaryFacts>& boundaries) {
  for (const BoundaryFacts& facts : boundaries)
    if (damage.oldest <= facts.epoch && facts.epoch <= damage.newest)
      for (std::uint64_t chunk = damage.first_chunk;
           chunk < std::min<std::uint64_t>(damage.end_chunk, 4096); ++chunk)
        sets[facts.epoch].insert(static_cast<std::uint32_t>(chunk));
}

// The bytes that a target would serve; none: it fails.
std::optional<std::vector<std::byte>> read_chunk(const Location& location, std::uint32_t chunk,
                                                 SnapStore& store, StoreDevices devices) {
  std::vector<std::byte> bytes(kChunk);
  switch (location.place) {
    case Location::Place::kZero:
      return bytes;
    case Location::Place::kOrigin: {
      const ByteRange range = store.facts().geometry.bytes_of({chunk});
      if (!devices.origin.read_at(range.offset_bytes, std::span(bytes).first(range.length_bytes)))
        return std::nullopt;
      return bytes;
    }
    case Location::Place::kSlot:
    case Location::Place::kPrivate:
      if (!devices.snapstore.read_at(
              store.facts().slots_offset_bytes + location.slot.value * kChunk, bytes))
        return std::nullopt;
      if (location.place == Location::Place::kSlot && hash_chunk(bytes) != location.hash)
        return std::nullopt;
      return bytes;
    case Location::Place::kDamaged:
      return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace

StoreCopy::StoreCopy(const StoreBytes& bytes) {
  constexpr const char* kNames[] = {"snapstore", "origin", "metadata"};
  for (std::size_t i = 0; i < bytes.devices.size(); ++i)
    devices_.push_back(std::make_unique<MemoryDevice>(
        DeviceGeometry{.size_bytes = bytes.devices[i].size()}, bytes.devices[i], kNames[i]));
}

StoreDevices StoreCopy::devices() {
  return {*devices_[0], *devices_[1], devices_.size() > 2 ? devices_[2].get() : nullptr};
}

StoreBytes StoreCopy::bytes() const {
  StoreBytes bytes;
  for (const auto& device : devices_) bytes.devices.push_back(device->content());
  return bytes;
}

void StoreCopy::set_bytes(const StoreBytes& bytes) {
  for (std::size_t i = 0; i < devices_.size(); ++i) devices_[i]->set_content(bytes.devices[i]);
}

StoreHistory make_history(std::uint64_t seed, bool is_split, Ending ending) {
  StoreHistory history;
  SeededRandom random(seed);
  StoreBytes empty{{CowBytes(kStoreBytes), CowBytes(kOriginBytes)}};
  if (is_split) empty.devices.push_back(CowBytes(kMetadataBytes));
  StoreCopy copy(empty);
  DD_CHECK(initialize_store(copy.devices(), {.chunk_shift = 12}, random));
  auto store = *SnapStore::open(copy.devices(), {.spill_entries = 40}, random);
  const HarnessMix mix{.write = 60,
                       .create = 9,
                       .bookmark = 3,
                       .remove = 4,
                       .to_bookmark = 3,
                       .snapshot_write = 4,
                       .background = 10,
                       .seal = 2,
                       .attribute = 2,
                       .checkpoint = 1};
  for (int step = 0; step < 160; ++step) {
    StoreHarness harness(*store, copy.devices().snapstore, copy.devices().origin, history.model,
                         random, mix);
    if (step < 20)
      DD_CHECK(harness.write_chunks(static_cast<std::uint32_t>(step * 3), 3));
    else
      DD_CHECK(harness.step());
    if (step % 40 == 39) history.before.push_back(copy.bytes());
  }
  for (ModelBoundary& boundary : history.model.boundaries) boundary.dirty.clear();
  if (ending == Ending::kClosed)
    DD_CHECK(store->close_cleanly());
  else
    DD_CHECK(store->seal());
  history.now = copy.bytes();
  return history;
}

bool CheckVerdict::is_clean() const {
  for (const auto& [uuid, chunks] : hurt)
    if (!chunks.empty()) return false;
  return !fatal && findings.empty();
}

CheckVerdict check_all(StoreInspection& inspection) {
  CheckVerdict verdict;
  std::map<Epoch, std::set<std::uint32_t>> hurt, hurt_privately, shielded;
  std::vector<Damage> damages = inspection.found();
  for (std::optional<CheckCursor> at = StoreInspection::first_piece(); at;) {
    const CheckPiece piece = inspection.check_piece(*at);
    damages.insert(damages.end(), piece.damages.begin(), piece.damages.end());
    at = piece.next;
  }
  const auto boundaries = inspection.boundaries();
  for (const Damage& damage : damages) {
    if (damage.is_finding()) {
      verdict.findings.push_back(damage.text);
      verdict.kinds.insert(damage.kind);
    }
    if (damage.kind == DamageKind::kHurt) add_to(hurt, damage, boundaries);
    if (damage.kind == DamageKind::kHurtPrivate) add_to(hurt_privately, damage, boundaries);
    if (damage.kind == DamageKind::kShielded) add_to(shielded, damage, boundaries);
  }
  for (const BoundaryFacts& facts : boundaries) {
    if (facts.kind != BoundaryKind::kLive) continue;
    verdict.live.insert(facts.uuid);
    std::set<std::uint32_t>& chunks = verdict.hurt[facts.uuid];
    for (const std::uint32_t chunk : hurt[facts.epoch])
      if (!shielded[facts.epoch].contains(chunk)) chunks.insert(chunk);
    chunks.insert(hurt_privately[facts.epoch].begin(), hurt_privately[facts.epoch].end());
  }
  return verdict;
}

CheckVerdict check_copy(const StoreBytes& bytes) {
  StoreCopy copy(bytes);
  SeededRandom random(1);
  auto inspection = StoreInspection::open(copy.devices(), {.gives_up_unreadable = true}, random);
  CheckVerdict verdict;
  if (!inspection)
    verdict.fatal = inspection.error();
  else
    verdict = check_all(**inspection);
  return verdict;
}

std::string wrong_reads(SnapStore& store, StoreDevices devices, const Model& model,
                        const CheckVerdict& verdict) {
  for (const ModelBoundary& expected : model.boundaries) {
    if (!expected.is_live) continue;
    const auto facts = store.find(expected.uuid);
    const bool is_live = facts && facts->kind == BoundaryKind::kLive;
    if (is_live != verdict.live.contains(expected.uuid))
      return fmt::format("snapshot {} is {}, not as the check said", expected.tag,
                         is_live ? "there" : "gone");
    if (!is_live) continue;
    std::vector<Location> locations;
    const auto count = static_cast<std::uint32_t>(model.origin.size());
    if (const Status located = store.locate(facts->epoch, {{0}, count}, locations); !located)
      return "locate: " + located.error().message();
    for (std::uint32_t chunk = 0; chunk < count; ++chunk) {
      const auto got = read_chunk(locations[chunk], chunk, store, devices);
      if (got.has_value() == verdict.hurt.at(expected.uuid).contains(chunk))
        return fmt::format("snapshot {} chunk {} {} be read, and the check did not say so",
                           expected.tag, chunk, got ? "can" : "cannot");
      if (!got) continue;
      const auto want = content_bytes(expected.image[chunk], kChunk);
      const std::size_t length = store.facts().geometry.bytes_of({chunk}).length_bytes;
      if (std::memcmp(got->data(), want.data(), length) != 0)
        return fmt::format("snapshot {} chunk {} (place {}) holds other bytes than it should",
                           expected.tag, chunk, static_cast<int>(locations[chunk].place));
    }
  }
  return {};
}

namespace {

// By their offset on the snapstore.
std::set<std::uint64_t> private_slots(const StoreHistory& history) {
  StoreCopy copy(history.now);
  SeededRandom random(1);
  const auto store = *SnapStore::open(copy.devices(), {}, random);
  std::set<std::uint64_t> offsets;
  for (const BoundaryFacts& facts : store->boundaries({}, kMaxBoundaries)) {
    std::vector<Location> locations;
    const auto count = static_cast<std::uint32_t>(history.model.origin.size());
    if (facts.kind != BoundaryKind::kLive || !store->locate(facts.epoch, {{0}, count}, locations))
      continue;
    for (const Location& location : locations)
      if (location.place == Location::Place::kPrivate)
        offsets.insert(store->facts().slots_offset_bytes + location.slot.value * kChunk);
  }
  return offsets;
}

}  // namespace

std::vector<std::byte> bytes_at(const StoreBytes& bytes, const DamagePlace& place) {
  std::vector<std::byte> content(place.length_bytes);
  bytes.devices[place.device].read(place.offset_bytes, content);
  return content;
}

void put_bytes(StoreBytes& bytes, const DamagePlace& place, std::span<const std::byte> content) {
  bytes.devices[place.device].write(place.offset_bytes, content);
}

std::vector<DamagePlace> damage_places(const StoreHistory& history) {
  StoreCopy copy(history.now);
  SeededRandom random(1);
  const auto inspection = *StoreInspection::open(copy.devices(), {}, random);
  const StoreFacts facts = inspection->facts();
  const std::size_t metadata = history.now.devices.size() - 1 == 2 ? 2 : 0;
  std::vector<DamagePlace> places;
  const auto add_used = [&](const DamagePlace& place) {
    if (bytes_at(history.now, place) != std::vector<std::byte>(place.length_bytes))
      places.push_back(place);
  };
  for (const std::uint64_t offset : kSuperblockOffsets) {
    add_used({0, offset});
    if (metadata != 0) add_used({metadata, offset});
  }
  const std::uint64_t tables = kJournalOffset + facts.journal_bytes_total;
  add_used({metadata, tables + facts.metadata_bytes_total});  // the third superblock
  const std::uint64_t second_ring = tables + facts.metadata_bytes_total + 4096;
  for (std::uint64_t at = 0; at < facts.journal_bytes_total; at += 512) {
    add_used({metadata, kJournalOffset + at, 512});
    add_used({metadata, second_ring + at, 512});
  }
  for (std::uint64_t at = 0; at < facts.metadata_bytes_total; at += 4096)
    add_used({metadata, tables + at});
  const std::set<std::uint64_t> without_hash = private_slots(history);
  for (std::uint64_t slot = 0; slot < facts.slots_total; ++slot)
    if (const std::uint64_t at = facts.slots_offset_bytes + slot * kChunk;
        !without_hash.contains(at) && !without_hash.contains(at + kChunk))
      add_used({0, at});
  return places;
}

std::optional<DamagePlace> twin_of(const StoreHistory& history, const DamagePlace& place) {
  StoreCopy copy(history.now);
  SeededRandom random(1);
  const StoreFacts facts = (*StoreInspection::open(copy.devices(), {}, random))->facts();
  const std::size_t metadata = history.now.devices.size() > 2 ? 2 : 0;
  const std::uint64_t end = kJournalOffset + facts.journal_bytes_total;
  if (place.device != metadata || place.offset_bytes < kJournalOffset || place.offset_bytes >= end)
    return std::nullopt;
  DamagePlace twin = place;
  twin.offset_bytes += facts.journal_bytes_total + facts.metadata_bytes_total + 4096;
  return twin;
}

}  // namespace ddsnap::test
