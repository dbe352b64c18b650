// TIMELINES 2 over the snapstore: the end of the journal against damage in it, and superblocks in
// every half-written state. Each history is exact; then bytes are changed, or the power goes, and
// the store is opened again and compared with a model.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstring>

#include "ddsnap/base/endian.h"
#include "server/store/layout.h"
#include "server/store/metadata_block.h"
#include "tests/support/sim_device.h"
#include "tests/support/small_store.h"
#include "tests/support/store_life.h"

namespace ddsnap::test {
namespace {

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
  // The same place in the other ring.
  std::uint64_t twin(std::uint64_t at) const {
    const StoreFacts facts = world_.store->facts();
    return at + facts.journal_bytes_total + facts.metadata_bytes_total + 4096;
  }
  void flip_both(CowBytes& content, std::uint64_t at) const {
    flip_bit(content, at);
    flip_bit(content, twin(at));
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
      flip_both(content, records_[static_cast<std::size_t>(k)] + at);
      const auto opened = open_with(std::move(content));
      ASSERT_FALSE(opened) << "record " << k << ", byte " << at;
      EXPECT_EQ(opened.error().code, ErrorCode::kDamaged);
    }
    CowBytes content = world_.snapstore.content();
    content.fill(records_[static_cast<std::size_t>(k)], 512, std::byte{0});
    content.fill(twin(records_[static_cast<std::size_t>(k)]), 512, std::byte{0});
    const auto opened = open_with(std::move(content));
    ASSERT_FALSE(opened) << "record " << k << " missing";
    EXPECT_EQ(opened.error().code, ErrorCode::kDamaged);
  }
}

// A bad block in either ring costs nothing, a whole ring neither; it is told, unless a power cut
// may have torn that record.
TEST_F(Journalled, EitherRingIsEnough) {
  const auto opens_whole = [&](const CowBytes& content, bool is_told) {
    const auto store = open_with(content);
    ASSERT_TRUE(store) << store.error().message();
    EXPECT_EQ((*store)->findings().size(), is_told ? 1u : 0u);
    EXPECT_EQ(check_store(**store, *image_, world_.origin, world_.model, true), "");
  };
  for (std::size_t k = 0; k < records_.size(); ++k)
    for (const std::uint64_t at : {records_[k], twin(records_[k])}) {
      SCOPED_TRACE(fmt::format("record {} at {}", k, at));
      CowBytes content = world_.snapstore.content();
      flip_bit(content, at + 70);
      opens_whole(content, k + 1 < records_.size());
    }
  for (const std::uint64_t at : {kJournalOffset, twin(kJournalOffset)}) {
    CowBytes content = world_.snapstore.content();
    content.fill(at, world_.store->facts().journal_bytes_total, std::byte{0});
    opens_whole(content, true);
  }
}

TEST_F(Journalled, TornLastRecordIsTheEndUnlessItWasSealed) {
  CowBytes content = world_.snapstore.content();
  flip_both(content, records_.back() + 70);
  EXPECT_TRUE(open_with(content)) << "as a torn one it was never granted";
  ASSERT_TRUE(world_.store->seal());
  ASSERT_TRUE(open_with(world_.snapstore.content()));
  content = world_.snapstore.content();
  flip_both(content, records_.back() + 70);
  const auto opened = open_with(std::move(content));
  ASSERT_FALSE(opened) << "a sealed record rotted, and its copy-outs vanished silently";
  EXPECT_EQ(opened.error().code, ErrorCode::kDamaged);
}

TEST(Timeline2, AnySuperblockCopyMayRotButNotBothAtTheStart) {
  SmallStore world;
  world.create();
  world.write(0, 20);
  ASSERT_TRUE(world.store->close_cleanly());
  world.write(20, 20);
  const CowBytes good = world.snapstore.content();
  const StoreFacts facts = world.store->facts();
  const std::uint64_t third =
      kJournalOffset + facts.journal_bytes_total + facts.metadata_bytes_total;
  for (const std::uint64_t copy : {kSuperblockOffsets[0], kSuperblockOffsets[1], third})
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

}  // namespace
}  // namespace ddsnap::test
