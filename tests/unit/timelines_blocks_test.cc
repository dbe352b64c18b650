// TIMELINES 12 and 15 over the snapstore: failed flushes, and metadata blocks that are not the ones
// that were written. Each history is exact; then bytes are changed, or the power goes, and the
// store is opened again and compared with a model.
#include <gtest/gtest.h>

#include "server/store/layout.h"
#include "server/store/metadata_block.h"
#include "tests/support/fault_device.h"
#include "tests/support/sim_device.h"
#include "tests/support/small_store.h"
#include "tests/support/store_life.h"

namespace ddsnap::test {
namespace {

TEST(Timeline12, FailedFlushIsNeverTrustedAwayByALaterGoodOne) {
  for (std::uint64_t seed = 1; seed <= 3; ++seed)
    for (std::uint64_t failing = 0;; ++failing) {
      SimWorld world(seed);
      with_devices(world).fail_flush(failing);
      Model model;
      live(world, seed, model, 30);
      world.crash_now();
      for (const SimImage& image : world.crash_images(8)) {
        SimWorld after(image, seed);
        SeededRandom random(seed);
        auto store = SnapStore::open(devices_of(after), {.spill_entries = 8}, random);
        if (!store && model.boundaries.empty()) continue;  // initialize was not acknowledged
        ASSERT_TRUE(store) << "seed " << seed << ", flush " << failing << ", " << image.description
                           << ": " << store.error().message();
        ASSERT_EQ(check_store(**store, after.device(1), after.device(0), model, false), "")
            << "seed " << seed << ", flush " << failing << ", " << image.description;
      }
      if (world.flushes() <= failing) break;
    }
}

TEST(Timeline12, BatchIsWrittenAgainWholeAtTheSamePlace) {
  SmallStore world;
  world.create();
  world.kill();
  FaultDevice faulty(world.snapstore);
  auto store = SnapStore::open({faulty, world.origin}, {}, world.random);
  ASSERT_TRUE(store);
  faulty.inject({.op = DeviceOp::kFlush});
  std::vector<WriteAsk> asks = {{{1}}, {{2}}};
  ASSERT_TRUE((*store)->prepare_writes(asks));
  EXPECT_EQ(faulty.fired(), 1u);
  EXPECT_EQ(asks[0].outcome, WriteAsk::Outcome::kGranted);
  EXPECT_FALSE((*store)->failed());
}

TEST(Timeline12, FlushThatFailsTwiceGrantsNothingAndStepsDownForGood) {
  SmallStore world;
  world.create();
  world.kill();
  FaultDevice faulty(world.snapstore);
  auto store = SnapStore::open({faulty, world.origin}, {}, world.random);
  ASSERT_TRUE(store);
  faulty.inject({.op = DeviceOp::kFlush});
  faulty.inject({.op = DeviceOp::kFlush, .after = 1});
  std::vector<WriteAsk> asks = {{{1}}, {{2}}};
  EXPECT_FALSE((*store)->prepare_writes(asks));
  for (const WriteAsk& ask : asks) EXPECT_NE(ask.outcome, WriteAsk::Outcome::kGranted);
  EXPECT_FALSE((*store)->is_granted({1}));
  EXPECT_TRUE((*store)->failed());
  EXPECT_EQ(faulty.fired(), 2u);
  // The device works again; the store does not.
  EXPECT_FALSE((*store)->prepare_writes(asks));
  EXPECT_FALSE((*store)->create({.uuid = Uuid::make(world.random), .tag = "later"}));
  EXPECT_FALSE((*store)->remove(world.model.boundaries.size() ? Epoch{1} : Epoch{},
                                SnapStore::Keep::kNothing));
  EXPECT_FALSE((*store)->close_cleanly());
  store->reset();
  world.open();
  EXPECT_EQ(world.wrong(false), "");
}

// ---- 15: the block that was asked for ----

// A lost disk write: a block that was right once, in its place, of this store, with a good
// checksum. It must be told from the one that was written there later.
TEST(Timeline15, OlderContentOfAMetadataBlockIsDamageOrUnused) {
  SmallStore world(64, 2u << 20, 8);
  world.create();
  std::vector<CowBytes> older;  // the region is small, and every place in it is used many times
  for (int i = 0; i < 30; ++i) {
    older.push_back(world.snapstore.content());
    for (int step = 0; step < 12; ++step) ASSERT_TRUE(world.harness().step());
    ASSERT_TRUE(world.harness().drain_background());
    ASSERT_TRUE(world.store->close_cleanly());
  }
  const CowBytes newer = world.snapstore.content();
  const StoreFacts facts = world.store->facts();
  const std::uint64_t tables_at = kJournalOffset + facts.journal_bytes_total;
  world.kill();
  int damaged = 0;
  int unused = 0;
  for (const CowBytes& then : older)
    for (std::uint64_t at = tables_at; at < tables_at + facts.metadata_bytes_total; at += 4096) {
      std::vector<std::byte> was(4096);
      std::vector<std::byte> is(4096);
      then.read(at, was);
      newer.read(at, is);
      if (was == is || was == std::vector<std::byte>(4096)) continue;
      CowBytes content = newer;
      content.write(at, was);
      world.snapstore.set_content(content);
      const auto store = SnapStore::open({world.snapstore, world.origin}, {}, world.random);
      if (!store) {
        EXPECT_EQ(store.error().code, ErrorCode::kDamaged);
        ++damaged;
        continue;
      }
      ASSERT_EQ(check_store(**store, world.snapstore, world.origin, world.model, true), "")
          << "block at " << at;
      ++unused;
    }
  EXPECT_GT(damaged, 0);
  EXPECT_GT(unused, 0);
}

TEST(Timeline15, BlockOfAnotherRunPlaceOrStoreIsDamage) {
  SeededRandom random(15);
  const Uuid store = Uuid::make(random);
  const ObjectId run{MetadataType::kRun, 77};
  std::vector<std::byte> block(kMetadataBlockBytes);
  seal_metadata_block(block, store, run, 3, 40, 128);
  EXPECT_TRUE(check_metadata_block(block, store, run, 3, 40));
  EXPECT_FALSE(check_metadata_block(block, store, {MetadataType::kRun, 78}, 3, 40));
  EXPECT_FALSE(check_metadata_block(block, store, {MetadataType::kManifest, 77}, 3, 40));
  EXPECT_FALSE(check_metadata_block(block, store, run, 4, 40));
  EXPECT_FALSE(check_metadata_block(block, store, run, 3, 41));
  EXPECT_FALSE(check_metadata_block(block, Uuid::make(random), run, 3, 40));
}

// What a removed snapshot's slots are freed by must not be overwritten before they are (S4).
TEST(Timeline15, RunsAreKeptUntilTheSlotsTheyNameAreFreed) {
  SmallStore world(8192, 48u << 20);
  world.create();
  for (std::uint32_t chunk = 0; chunk < 8192; chunk += 128) world.write(chunk, 128);
  ASSERT_TRUE(world.store->close_cleanly());
  world.kill();
  // So small a cache that the runs must be read again.
  auto store = SnapStore::open({world.snapstore, world.origin}, {.cache_bytes = 0}, world.random);
  ASSERT_TRUE(store);
  const Epoch epoch = (*store)->find(world.model.boundaries[0].uuid)->epoch;
  ASSERT_TRUE((*store)->remove(epoch, SnapStore::Keep::kNothing));
  for (int i = 0; i < 4000; ++i) ASSERT_TRUE((*store)->close_cleanly());  // round the region
  while ((*store)->has_background_work()) ASSERT_TRUE((*store)->background_step());
  EXPECT_EQ((*store)->findings(), std::vector<std::string>{});
  EXPECT_EQ((*store)->usage().slots_free, (*store)->facts().slots_total);
}

// Every lookup between any two steps of spilling, merging and freeing.
TEST(Timeline15, LookupsAreRightBetweenAnyTwoStepsOfAMerge) {
  SmallStore world(512, 8u << 20, 8);
  world.create();
  std::uint64_t steps = 0;
  for (int round = 0; round < 40; ++round) {
    world.write(static_cast<std::uint32_t>(world.random.below(500)), 12);
    if (round % 8 == 5) world.create();
    if (round % 16 == 15) world.remove(1);
    while (world.store->has_background_work()) {
      ASSERT_TRUE(world.store->background_step());
      ++steps;
      ASSERT_EQ(world.wrong(), "") << "round " << round << ", step " << steps;
    }
  }
  EXPECT_GT(steps, 40u) << "no merges";
  world.kill_and_open();
  EXPECT_EQ(world.wrong(), "");
}

}  // namespace
}  // namespace ddsnap::test
