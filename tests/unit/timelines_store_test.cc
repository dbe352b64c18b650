// TIMELINES 1, 2, 12 and 15 over the snapstore: what recovery may forget and what it must not, the
// end of the journal against damage in it, superblocks in every half-written state, failed flushes,
// and metadata blocks that are not the ones that were written. Each history is exact; then bytes
// are changed, or the power goes, and the store is opened again and compared with a model.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstring>
#include <set>

#include "ddsnap/base/endian.h"
#include "server/store/layout.h"
#include "server/store/metadata_block.h"
#include "tests/support/fault_device.h"
#include "tests/support/sim_device.h"
#include "tests/support/small_store.h"

namespace ddsnap::test {
namespace {

// ---- 1: what recovery judges ----

TEST(Timeline1, KillKeepsGrantedCopyOutsBesidePrivateWritesInEveryOrder) {
  for (const std::string order : {"cp", "pc", "cpp", "pcc", "cpc", "pcp"}) {
    SmallStore world;
    world.create();
    std::uint32_t chunk = 1;
    for (const char step : order) {
      if (step == 'c')
        world.write(chunk++);
      else
        world.write_private(0, chunk++);  // and writes in place: its content matches no hash
    }
    world.kill_and_open();
    EXPECT_EQ(world.store->findings(), std::vector<std::string>{}) << order;
    EXPECT_EQ(world.wrong(), "") << order;
  }
}

// (b): the last record, torn, names slots that an older record named before they were freed.
TEST(Timeline1, TornReuseOfAFreedSlotLeavesTheOlderRecordAlone) {
  SmallStore world(8, 1u << 20);
  std::set<std::uint32_t> named;
  CowBytes before;
  for (bool is_reused = false; !is_reused;) {
    world.create();
    before = world.snapstore.content();
    std::vector<WriteAsk> asks = {{{0}}, {{1}}, {{2}}, {{3}}};
    ASSERT_TRUE(world.store->prepare_writes(asks));
    for (std::uint32_t chunk = 0; chunk < 4; ++chunk)
      is_reused |= !named.insert(world.locate(0, chunk).slot.value).second;
    if (is_reused) break;
    world.write(0, 4);  // other content every time: an old slot's must not pass for the new
    world.remove(0);
    ASSERT_LE(named.size(), world.store->facts().slots_total);
  }
  // Of the last batch only the record landed; nobody was granted anything.
  const std::uint64_t slots_at = world.store->facts().slots_offset_bytes;
  CowBytes torn = world.snapstore.content();
  std::vector<std::byte> old_slots(before.size() - slots_at);
  before.read(slots_at, old_slots);
  torn.write(slots_at, old_slots);
  world.kill();
  world.snapstore.set_content(torn);
  world.open();
  EXPECT_EQ(world.store->findings(), std::vector<std::string>{});
  EXPECT_EQ(world.wrong(), "");
  EXPECT_FALSE(world.store->is_granted({0})) << "a copy-out that never landed was kept";
}

TEST(Timeline1, RottenSlotOfTheLastRecordIsReportedAndCostsNothingElse) {
  SmallStore world;
  world.create();
  world.write(0, 8);
  world.create();
  world.write(0, 64);  // the last record: 64 copy-outs, all granted, all overwritten
  const std::uint64_t rotten = world.slot_offset_bytes(world.locate(1, 5).slot);
  world.kill();
  flip_bit(world.snapstore, rotten + 100);
  world.open();
  ASSERT_EQ(world.store->findings().size(), 1u);
  EXPECT_NE(world.store->findings()[0].find("chunk 5 of snapshot " + world.model.boundaries[1].tag),
            std::string::npos)
      << world.store->findings()[0];
  EXPECT_EQ(world.wrong(), "snapshot " + world.model.boundaries[1].tag + " chunk 5 cannot be read");
  flip_bit(world.snapstore, rotten + 100);
  EXPECT_EQ(world.wrong(), "");
}

TEST(Timeline1, UnreadableSlotOfTheLastRecordDoesNotStopRecovery) {
  SmallStore world;
  world.create();
  world.write(0, 16);
  const std::uint64_t bad = world.slot_offset_bytes(world.locate(0, 3).slot);
  world.kill();
  FaultDevice faulty(world.snapstore);
  faulty.inject({.op = DeviceOp::kRead, .range = ByteRange{bad, 4096}, .is_forever = true});
  const auto store = SnapStore::open({faulty, world.origin}, {}, world.random);
  ASSERT_TRUE(store) << store.error().message();
  EXPECT_EQ((*store)->findings().size(), 1u);
  EXPECT_EQ(check_store(**store, world.snapstore, world.origin, world.model, true), "");
}

TEST(Timeline1, RottenSlotOfAnOlderRecordIsNeverServedAndHurtsOnlyItself) {
  SmallStore world;
  world.create();
  world.write(0, 16);
  const std::uint64_t rotten = world.slot_offset_bytes(world.locate(0, 7).slot);
  world.write(20, 4);
  world.create();
  world.kill();
  flip_bit(world.snapstore, rotten);
  world.open();
  EXPECT_EQ(world.wrong(), "snapshot " + world.model.boundaries[0].tag + " chunk 7 cannot be read");
}

// ---- 2: the end and damage ----

// Twenty records, one a commit, that wrap around the end of the ring.
class Journalled : public ::testing::Test {
 protected:
  static constexpr int kRecords = 20;

  void SetUp() override {
    // 120 pairs of records take the ring but for its last 16.
    for (int i = 0; i < 120; ++i) {
      world_.create();
      world_.remove(0);
      if (i % 40 == 39) {
        ASSERT_TRUE(world_.store->close_cleanly());
      }
    }
    for (int i = 0; i < kRecords; ++i) {
      const CowBytes before = world_.snapstore.content();
      if (i % 4 == 0)
        world_.create();
      else
        world_.write(static_cast<std::uint32_t>(i), 2);
      records_.push_back(record_of(before));
    }
  }

  // Where the journal changed.
  std::uint64_t record_of(const CowBytes& before) const {
    const CowBytes now = world_.snapstore.content();
    const std::uint64_t journal_bytes = world_.store->facts().journal_bytes_total;
    for (std::uint64_t at = kJournalOffset; at < kJournalOffset + journal_bytes; at += 512) {
      std::byte old_bytes[512];
      std::byte new_bytes[512];
      before.read(at, old_bytes);
      now.read(at, new_bytes);
      if (std::memcmp(old_bytes, new_bytes, 512) != 0) return at;
    }
    ADD_FAILURE() << "a commit wrote no record";
    return 0;
  }
  Result<std::unique_ptr<SnapStore>> open_with(CowBytes content) {
    image_ = std::make_unique<MemoryDevice>(world_.snapstore.geometry(), std::move(content));
    return SnapStore::open({*image_, world_.origin}, {}, world_.random);
  }

  SmallStore world_;
  std::vector<std::uint64_t> records_;
  std::unique_ptr<MemoryDevice> image_;
};

TEST_F(Journalled, RecordsWrapAroundTheRing) {
  EXPECT_FALSE(std::ranges::is_sorted(records_));
  world_.kill_and_open();
  EXPECT_EQ(world_.wrong(), "");
}

TEST_F(Journalled, DamageInAnyRecordButTheLastIsDamageAndNeverTheEnd) {
  for (int k = 0; k + 1 < kRecords; ++k) {
    for (const std::uint64_t at : {0, 4, 24, 40, 56, 70}) {
      CowBytes content = world_.snapstore.content();
      flip_bit(content, records_[static_cast<std::size_t>(k)] + at);
      const auto opened = open_with(std::move(content));
      ASSERT_FALSE(opened) << "record " << k << ", byte " << at;
      EXPECT_EQ(opened.error().code, ErrorCode::kDamaged);
    }
    CowBytes content = world_.snapstore.content();
    content.fill(records_[static_cast<std::size_t>(k)], 512, std::byte{0});
    const auto opened = open_with(std::move(content));
    ASSERT_FALSE(opened) << "record " << k << " missing";
    EXPECT_EQ(opened.error().code, ErrorCode::kDamaged);
  }
}

TEST_F(Journalled, TornLastRecordIsTheEndUnlessItWasSealed) {
  CowBytes content = world_.snapstore.content();
  flip_bit(content, records_.back() + 70);
  EXPECT_TRUE(open_with(content)) << "as a torn one it was never granted";
  ASSERT_TRUE(world_.store->seal());
  ASSERT_TRUE(open_with(world_.snapstore.content()));
  content = world_.snapstore.content();
  flip_bit(content, records_.back() + 70);
  const auto opened = open_with(std::move(content));
  ASSERT_FALSE(opened) << "a sealed record rotted, and its copy-outs vanished silently";
  EXPECT_EQ(opened.error().code, ErrorCode::kDamaged);
}

TEST(Timeline2, EitherSuperblockCopyMayRotButNotBoth) {
  SmallStore world;
  world.create();
  world.write(0, 20);
  ASSERT_TRUE(world.store->close_cleanly());
  world.write(20, 20);
  const CowBytes good = world.snapstore.content();
  for (const std::uint64_t copy : kSuperblockOffsets)
    for (const std::uint64_t at : {0, 40, 200, 4090}) {
      world.kill();
      CowBytes content = good;
      flip_bit(content, copy + at);
      world.snapstore.set_content(content);
      world.open();
      EXPECT_EQ(world.store->findings().size(), 1u);
      EXPECT_EQ(world.wrong(), "") << "copy at " << copy << ", byte " << at;
      world.kill_and_open();
      EXPECT_EQ(world.store->findings().size(), 0u) << "the bad copy was not written anew";
    }
  world.kill();
  CowBytes content = good;
  for (const std::uint64_t copy : kSuperblockOffsets) flip_bit(content, copy + 40);
  world.snapstore.set_content(content);
  const auto opened = SnapStore::open({world.snapstore, world.origin}, {}, world.random);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kDamaged);
}

TEST(Timeline2, OldLifeOfAnInitializedStoreNeverReplays) {
  SmallStore world;
  for (int i = 0; i < 6; ++i) {
    world.create();
    world.write(0, 40);
  }
  world.kill();
  ASSERT_TRUE(initialize_store({world.snapstore, world.origin}, {.chunk_shift = 12}, world.random));
  world.model.boundaries.clear();
  world.open();
  EXPECT_EQ(world.store->boundary_count(), 0u);
  EXPECT_EQ(world.store->usage().slots_free, world.store->facts().slots_total);
  for (int i = 0; i < 3; ++i) {
    world.create();
    world.write(0, 10);
    world.kill_and_open();
    EXPECT_EQ(world.wrong(), "");
  }
}

constexpr std::uint64_t kSimOriginBytes = 16 * StoreHarness::kChunkBytes;
constexpr std::uint64_t kSimStoreBytes = 1u << 20;

SimWorld& with_devices(SimWorld& world) {
  world.add_device("origin", {.size_bytes = kSimOriginBytes});
  world.add_device("snapstore", {.size_bytes = kSimStoreBytes});
  return world;
}
StoreDevices devices_of(SimWorld& world) {
  return {.snapstore = world.device(1), .origin = world.device(0)};
}
// Snapshots, copy-outs, checkpoints, and a kill -9 now and then; as far as the world lets it.
void live(SimWorld& world, std::uint64_t seed, Model& model, int steps) {
  SeededRandom random(seed);
  if (!initialize_store(devices_of(world), {.chunk_shift = 12}, random)) return;
  auto store = SnapStore::open(devices_of(world), {.spill_entries = 8}, random);
  if (!store) return;
  for (int step = 0; step < steps; ++step) {
    StoreHarness harness(**store, world.device(1), world.device(0), model, random,
                         {.create = 12, .checkpoint = 8});
    if (!harness.step()) return;
    if (step % 8 != 7) continue;
    store->reset();
    store = SnapStore::open(devices_of(world), {.spill_entries = 8}, random);
    if (!store) return;
  }
}
std::uint64_t sequence_of(const SimImage& image, int copy) {
  le64 sequence;
  image.devices[1].content.read(kSuperblockOffsets[copy] + 32,
                                std::as_writable_bytes(std::span(&sequence, 1)));
  return sequence.get();
}

TEST(Timeline2, InterruptedInitializeLeavesTheOldLifeWholeOrNoStore) {
  int cuts = 0;
  for (std::uint64_t seed = 1; seed <= 8; ++seed)
    for (std::uint64_t crash_at = 0;; ++crash_at, ++cuts) {
      SimWorld world(seed);
      with_devices(world);
      Model model;
      live(world, seed, model, 34);
      for (int i = 0; i < 2; ++i) ASSERT_TRUE(world.device(static_cast<std::size_t>(i)).flush());
      world.crash_at_operation(world.operations() + crash_at);
      SeededRandom random(seed + 100);
      static_cast<void>(initialize_store(devices_of(world), {.chunk_shift = 12}, random));
      if (!world.crashed()) break;
      for (const SimImage& image : world.crash_images(16)) {
        SCOPED_TRACE(fmt::format("seed {}, cut at {}, {}", seed, crash_at, image.description));
        SimWorld after(image, 1);
        const auto store = SnapStore::open(devices_of(after), {}, random);
        if (!store) {
          // A torn superblock is no store either.
          ASSERT_TRUE(store.error().code == ErrorCode::kNotInitialized ||
                      store.error().text.find("the superblock is damaged") != std::string::npos)
              << store.error().message();
          continue;
        }
        if ((*store)->boundary_count() == 0) continue;
        ASSERT_EQ(check_store(**store, after.device(1), after.device(0), model, false), "");
      }
    }
  EXPECT_GT(cuts, 8) << "initialize was never cut off";
}

// The power goes between the two copies of a superblock, and again anywhere in the recovery: the
// older copy, whose manifest may have been overwritten, must never be the only one left.
TEST(Timeline2, CutBetweenTheSuperblockCopiesAndAgainInRecovery) {
  int uneven = 0;
  for (std::uint64_t crash_at = 0;; ++crash_at) {
    SimWorld world(5);
    with_devices(world).crash_at_operation(crash_at);
    Model model;
    live(world, 5, model, 40);
    if (!world.crashed()) break;
    if (model.boundaries.empty()) continue;
    const SimImage kept = world.crash_images(2)[0];
    if (sequence_of(kept, 0) == sequence_of(kept, 1)) continue;
    ++uneven;
    for (std::uint64_t again_at = 0;; ++again_at) {
      SimWorld again(kept, again_at);
      again.crash_at_operation(again_at);
      SeededRandom random(7);
      static_cast<void>(SnapStore::open(devices_of(again), {.spill_entries = 8}, random));
      for (const SimImage& image : again.crash_images(24)) {
        SimWorld last(image, 1);
        const auto store = SnapStore::open(devices_of(last), {.spill_entries = 8}, random);
        ASSERT_TRUE(store) << "cuts at " << crash_at << " and " << again_at << ", "
                           << image.description << ": " << store.error().message();
        ASSERT_EQ(check_store(**store, last.device(1), last.device(0), model, false), "")
            << "cuts at " << crash_at << " and " << again_at << ", " << image.description;
      }
      if (!again.crashed()) break;
    }
  }
  EXPECT_GT(uneven, 0) << "no cut fell between the copies: nothing was shown";
}

// ---- 12: failed flushes ----

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
