// TIMELINES 9, 10, 21, 22, 27, 29 and 30 over the snapstore: what changelists must hold, what is
// freed and when there is no room, the epoch of grants, lookups among 65,536 snapshots, and odd
// geometry. Real store on memory devices.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/small_store.h"

namespace ddsnap::test {
namespace {

// ---- 9: a bookmark of a written snapshot ----

TEST(Timeline9, BookmarkRemembersWhatItsSnapshotWroteForListsFromIt) {
  for (const bool is_killed : {false, true}) {
    SmallStore world;
    world.create();
    world.create();
    world.write(20, 2);
    world.write_private(1, 5);
    world.create();
    const Epoch older = world.epoch(0);
    const Epoch written = world.epoch(1);
    const Epoch newer = world.epoch(2);
    world.remove(1, SnapStore::Keep::kBookmark);
    if (is_killed) world.kill_and_open();
    EXPECT_TRUE(world.store->changed(written, newer)->contains(5)) << "both sides would differ";
    EXPECT_TRUE(world.store->changed(written, newer)->contains(20));
    EXPECT_FALSE(world.store->changed(older, newer)->contains(5)) << "5 was never in a plain list";
    EXPECT_EQ(world.wrong(), "");
    // Gone for good, what it wrote is nobody's.
    world.remove(1);
    EXPECT_FALSE(world.store->changed(older, newer)->contains(5));
    EXPECT_TRUE(world.store->changed(older, newer)->contains(20));
  }
}

// ---- 10: resize ----

class Resize : public ::testing::Test {
 protected:
  static constexpr std::uint64_t kChunk = SmallStore::kChunkBytes;

  Result<std::unique_ptr<SnapStore>> open(std::uint64_t origin_bytes) {
    CowBytes content(origin_bytes);
    if (origin_) {
      std::vector<std::byte> bytes(std::min(origin_bytes, origin_->size_bytes()));
      EXPECT_TRUE(origin_->read_at(0, bytes));
      content.write(0, bytes);
    }
    origin_ = std::make_unique<MemoryDevice>(DeviceGeometry{.size_bytes = origin_bytes},
                                             std::move(content), "origin");
    if (is_new_) {
      EXPECT_TRUE(initialize_store({snapstore_, *origin_}, {.chunk_shift = 12}, random_));
      is_new_ = false;
    }
    return SnapStore::open({snapstore_, *origin_}, {}, random_);
  }
  Epoch create(SnapStore& store, const std::string& tag) {
    const auto epoch = store.create({.uuid = Uuid::make(random_), .tag = tag});
    EXPECT_TRUE(epoch) << epoch.error().message();
    return *epoch;
  }

  SeededRandom random_{4};
  MemoryDevice snapstore_{2u << 20, "snapstore"};
  std::unique_ptr<MemoryDevice> origin_;
  bool is_new_ = true;
};

TEST_F(Resize, GrownPartIsInEveryListThatCrossesIt) {
  for (const std::uint64_t tail : {0, 512}) {
    is_new_ = true;
    auto store = open(16 * kChunk + tail);
    ASSERT_TRUE(store);
    const Epoch small = create(**store, "small");
    store->reset();
    store = open(24 * kChunk);
    ASSERT_TRUE(store) << store.error().message();
    const Epoch large = create(**store, "large");
    // The boundary chunk was short before: its rest is new too.
    for (const Epoch to : {large, Epoch{}}) {
      const auto changed = (*store)->changed(small, to);
      ASSERT_TRUE(changed);
      EXPECT_EQ(changed->cardinality(), 8u);
      EXPECT_EQ(changed->minimum(), 16u);
      EXPECT_EQ(changed->maximum(), 23u);
    }
    EXPECT_TRUE((*store)->changed(large, {})->isEmpty());
    EXPECT_EQ((*store)->find(small)->size_bytes, 16 * kChunk + tail);
    // It grows once more, by less than a chunk; the first writes of the new part work.
    store->reset();
    store = open(24 * kChunk + 1024);
    ASSERT_TRUE(store);
    EXPECT_EQ((*store)->changed(large, {})->cardinality(), 1u);
    WriteAsk asks[] = {{{16}}, {{24}}};
    ASSERT_TRUE((*store)->prepare_writes(asks));
    for (const WriteAsk& ask : asks) EXPECT_EQ(ask.outcome, WriteAsk::Outcome::kGranted);
  }
}

TEST_F(Resize, ShrunkOriginIsRefusedBeforeAnythingIsLost) {
  auto store = open(16 * kChunk);
  ASSERT_TRUE(store);
  create(**store, "0");
  store->reset();
  const auto refused = open(12 * kChunk);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUsage);
  EXPECT_NE(refused.error().text.find("smaller"), std::string::npos);
  store = open(16 * kChunk);
  ASSERT_TRUE(store);
  EXPECT_TRUE((*store)->find("0"));
}

// ---- 21: no room to make room ----

// Zero chunks and bookmarks fill the metadata without a slot being used; whatever is full, giving
// things up works, and afterwards everything else does again.
class NoRoom : public ::testing::TestWithParam<std::uint64_t> {
 protected:
  static constexpr std::uint32_t kChunks = 1u << 20;

  NoRoom() {
    EXPECT_TRUE(initialize_store(devices(), {.chunk_shift = 12}, random_));
    open();
  }
  StoreDevices devices() {
    return {.snapstore = snapstore_, .origin = origin_, .metadata = &meta_};
  }
  void open() {
    store_.reset();
    auto opened = SnapStore::open(devices(), {}, random_);
    ASSERT_TRUE(opened) << opened.error().message();
    store_ = *std::move(opened);
  }
  // True: there was no room.
  bool is_full_for_create(bool is_bookmark) {
    const auto made = store_->create({.uuid = Uuid::make(random_),
                                      .tag = fmt::format("b{}", ++tags_),
                                      .is_bookmark = is_bookmark});
    if (made) return false;
    EXPECT_EQ(made.error().code, ErrorCode::kNoSpace) << made.error().message();
    return true;
  }
  bool is_full_for_writes() {
    std::vector<WriteAsk> asks;
    for (int i = 0; i < 200; ++i)
      asks.push_back({{static_cast<std::uint32_t>(random_.below(kChunks))}});
    const Status done = store_->prepare_writes(asks);
    EXPECT_TRUE(done) << done.error().message();
    return std::ranges::any_of(
        asks, [](const WriteAsk& ask) { return ask.outcome == WriteAsk::Outcome::kNoSpace; });
  }
  bool is_full_for_private_writes() {
    const ChunkNr chunks[] = {{static_cast<std::uint32_t>(random_.below(kChunks))}};
    const auto slots = store_->prepare_snapshot_writes(store_->newest_live(), std::span(chunks));
    if (slots) return false;
    EXPECT_EQ(slots.error().code, ErrorCode::kNoSpace) << slots.error().message();
    return true;
  }
  void run_background() {
    for (int step = 0; step < 1000 && store_->has_background_work(); ++step) {
      const Status done = store_->background_step();
      if (!done) {
        EXPECT_EQ(done.error().code, ErrorCode::kNoSpace) << done.error().message();
        return;
      }
    }
  }

  SeededRandom random_{GetParam()};
  MemoryDevice origin_{std::uint64_t{kChunks} << 12, "origin"};  // zero chunks take no slot
  MemoryDevice snapstore_{1u << 20, "snapstore"};
  MemoryDevice meta_{612u << 10, "metadata"};
  std::unique_ptr<SnapStore> store_;
  int tags_ = 0;
};

TEST_P(NoRoom, EverythingFullStillLetsThingsGo) {
  ASSERT_FALSE(is_full_for_create(false));
  int full_in_a_row = 0;
  while (full_in_a_row < 50) {
    bool is_full = false;
    switch (random_.below(8)) {
      case 0:
        is_full = is_full_for_create(true);
        break;
      case 1:
        is_full = is_full_for_create(false);
        break;
      case 2:
        is_full = is_full_for_private_writes();
        break;
      case 3:
        run_background();
        continue;
      default:
        is_full = is_full_for_writes();
    }
    ASSERT_FALSE(store_->failed()) << store_->failed()->message();
    full_in_a_row = is_full ? full_in_a_row + 1 : 0;
  }
  EXPECT_TRUE(store_->is_metadata_short());
  if (random_.below(2) == 0) open();  // full stores open

  // Every single thing can go, in any order and in each way.
  std::vector<BoundaryFacts> all = store_->boundaries({}, kMaxBoundaries);
  for (std::size_t i = all.size(); i > 1; --i) std::swap(all[i - 1], all[random_.below(i)]);
  for (const BoundaryFacts& boundary : all) {
    if (boundary.kind == BoundaryKind::kLive && random_.below(2) == 0) {
      const Status marked = store_->mark_dropping(boundary.epoch);
      ASSERT_TRUE(marked) << marked.error().message();
      const Status dropped = store_->remove(boundary.epoch, SnapStore::Keep::kDropped);
      ASSERT_TRUE(dropped) << dropped.error().message();
    }
    const Status removed = store_->remove(boundary.epoch, SnapStore::Keep::kNothing);
    ASSERT_TRUE(removed) << boundary.tag << ": " << removed.error().message();
    if (random_.below(16) == 0) run_background();
    if (random_.below(64) == 0) open();
  }
  run_background();
  ASSERT_TRUE(store_->close_cleanly());
  EXPECT_FALSE(store_->is_metadata_short());
  EXPECT_EQ(store_->usage().slots_free, store_->facts().slots_total);
  EXPECT_FALSE(is_full_for_create(false));
  EXPECT_FALSE(is_full_for_writes());
  EXPECT_FALSE(is_full_for_private_writes());
  open();
}

INSTANTIATE_TEST_SUITE_P(Seeds, NoRoom, ::testing::Range<std::uint64_t>(1, 7));

// ---- 22: the epoch of grants ----

TEST(Timeline22, NoDeleteLowersTheEpochOfGrants) {
  SmallStore world;
  for (int i = 0; i < 5; ++i) world.create();
  const Epoch last = world.store->last_created();
  EXPECT_EQ(last, world.epoch(4));
  for (int i = 4; i >= 1; --i) {
    world.remove(static_cast<std::size_t>(i));
    EXPECT_EQ(world.store->last_created(), last);
  }
  world.kill_and_open();
  EXPECT_EQ(world.store->last_created(), last);
  world.kill_and_open();  // this time the manifest alone knows
  EXPECT_EQ(world.store->last_created(), last);
  world.create();
  EXPECT_GT(world.store->last_created(), last) << "an epoch was used twice";
}

// ---- 27: who frees what ----

TEST(Timeline27, WhatARemovalWouldFreeIsWhatItFrees) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    SmallStore world(64, 4u << 20, 8 + seed);
    SeededRandom random(seed);
    for (int step = 0; step < 400; ++step) {
      StoreHarness harness(*world.store, world.snapstore, world.origin, world.model, random,
                           {.create = 12, .zero_percent = 30});
      ASSERT_TRUE(harness.step());
      if (step % 25 != 24 || world.model.boundaries.empty()) continue;
      ASSERT_TRUE(harness.drain_background());
      const std::size_t victim = random.below(world.model.boundaries.size());
      const std::uint64_t told = world.store->slots_freed_by_removing(world.epoch(victim));
      const std::uint64_t free_before = world.store->usage().slots_free;
      ASSERT_TRUE(harness.remove(victim, SnapStore::Keep::kNothing));
      ASSERT_TRUE(harness.drain_background());
      EXPECT_EQ(world.store->usage().slots_free, free_before + told) << "step " << step;
    }
  }
}

// ---- 29: many snapshots ----

// Deep enough that union bitmaps come and go; every lookup against the model.
TEST(Timeline29, LookupsStayRightAsSnapshotsComeAndGoByTheHundred) {
  SmallStore world(64, 24u << 20, 64);
  for (int round = 0; round < 260; ++round) {
    world.create();
    world.write(static_cast<std::uint32_t>(world.random.below(60)), 3);
    // Every third one of the middle goes again, so that tables fold far away from the newest.
    if (round % 3 == 2) world.remove(world.random.below(world.model.boundaries.size() - 1));
    while (world.store->has_background_work()) ASSERT_TRUE(world.store->background_step());
  }
  EXPECT_EQ(world.wrong(), "");
  world.kill_and_open();
  EXPECT_EQ(world.wrong(), "");
  while (world.model.boundaries.size() > 20)
    world.remove(world.random.below(world.model.boundaries.size()));
  EXPECT_EQ(world.wrong(), "");
}

TEST(Timeline29, LookupsAmong65536Snapshots) {
  constexpr std::uint32_t kChunks = 4096;
  SeededRandom random(29);
  MemoryDevice origin(kChunks * 4096, "origin");
  MemoryDevice snapstore(256u << 20, "snapstore");
  MemoryDevice metadata(256u << 20, "metadata");
  const StoreDevices devices{.snapstore = snapstore, .origin = origin, .metadata = &metadata};
  ASSERT_TRUE(initialize_store(devices, {.chunk_shift = 12}, random));
  auto store = SnapStore::open(devices, {}, random);
  ASSERT_TRUE(store);
  // Snapshot i is followed by a first write of chunk i mod kChunks, and by nothing else.
  std::vector<std::byte> content(4096, std::byte{0xee});
  for (std::uint32_t i = 0; i < kMaxSnapshots; ++i) {
    const auto made =
        (*store)->create({.uuid = Uuid::make(random), .tag = std::to_string(i), .created_ns = i});
    ASSERT_TRUE(made) << i << ": " << made.error().message();
    if (i % 16 != 0) continue;
    WriteAsk asks[] = {{{i / 16 % kChunks}}};
    ASSERT_TRUE((*store)->prepare_writes(asks));
    ASSERT_EQ(asks[0].outcome, WriteAsk::Outcome::kGranted) << i;
    ASSERT_TRUE(origin.write_at(std::uint64_t{asks[0].chunk.value} * 4096, content));
  }
  const auto one_more = (*store)->create({.uuid = Uuid::make(random), .tag = "one more"});
  ASSERT_FALSE(one_more);
  EXPECT_EQ(one_more.error().code, ErrorCode::kNoSpace);

  const auto check = [&] {
    ASSERT_EQ((*store)->boundary_count(), kMaxSnapshots);
    const Epoch first = (*store)->boundaries({}, 1)[0].epoch;
    for (const std::uint32_t s : {0u, 1u, 15u, 16u, 17u, 4095u, 32768u, 65519u, 65521u, 65535u}) {
      std::vector<Location> found;
      ASSERT_TRUE((*store)->locate({first.value + s}, {{0}, kChunks}, found));
      for (std::uint32_t chunk = 0; chunk < kChunks; ++chunk) {
        const bool is_overwritten_since = chunk * 16 >= s;
        // Every chunk was zero when it was first written.
        EXPECT_EQ(found[chunk].place,
                  is_overwritten_since ? Location::Place::kZero : Location::Place::kOrigin)
            << "snapshot " << s << " chunk " << chunk;
      }
    }
  };
  ASSERT_NO_FATAL_FAILURE(check());
  store->reset();
  store = SnapStore::open(devices, {}, random);
  ASSERT_TRUE(store) << store.error().message();
  ASSERT_NO_FATAL_FAILURE(check());
}

// ---- 30: geometry ----

TEST(Timeline30, SnapstoreOfLargerBlocksThanTheOriginIsRefused) {
  SeededRandom random(30);
  MemoryDevice origin({.size_bytes = 1u << 20, .block_bytes = 512});
  MemoryDevice large({.size_bytes = 4u << 20, .block_bytes = 4096, .physical_bytes = 4096});
  const Status refused = initialize_store({large, origin}, {}, random);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUsage);
  MemoryDevice large_origin({.size_bytes = 1u << 20, .block_bytes = 4096, .physical_bytes = 4096});
  EXPECT_TRUE(initialize_store({large, large_origin}, {}, random));
  EXPECT_TRUE(SnapStore::open({large, large_origin}, {}, random));
}

TEST(Timeline30, ShortLastChunkIsZeroPaddedInSlotAndHash) {
  SeededRandom random(31);
  MemoryDevice origin(3 * 4096 + 512, "origin");
  MemoryDevice snapstore(1u << 20, "snapstore");
  // Old garbage where the slot will be.
  std::vector<std::byte> noise(snapstore.size_bytes());
  random.fill(noise);
  ASSERT_TRUE(snapstore.write_at(0, noise));
  ASSERT_TRUE(initialize_store({snapstore, origin}, {.chunk_shift = 12}, random));
  std::vector<std::byte> padded(4096);
  random.fill(std::span(padded).first(512));
  ASSERT_TRUE(origin.write_at(3 * 4096, std::span(padded).first(512)));
  const auto store = SnapStore::open({snapstore, origin}, {}, random);
  ASSERT_TRUE(store);
  const auto snapshot = (*store)->create({.uuid = Uuid::make(random), .tag = "0"});
  ASSERT_TRUE(snapshot);
  WriteAsk asks[] = {{{3}}};
  ASSERT_TRUE((*store)->prepare_writes(asks));
  std::vector<Location> found;
  ASSERT_TRUE((*store)->locate(*snapshot, {{3}, 1}, found));
  ASSERT_EQ(found[0].place, Location::Place::kSlot);
  EXPECT_EQ(found[0].hash, hash_chunk(padded));
  std::vector<std::byte> slot(4096);
  ASSERT_TRUE(snapstore.read_at(
      (*store)->facts().slots_offset_bytes + std::uint64_t{found[0].slot.value} * 4096, slot));
  EXPECT_EQ(slot, padded);
}

}  // namespace
}  // namespace ddsnap::test
