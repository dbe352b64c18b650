// TIMELINES 1 over the snapstore: what recovery may forget of the last record and what it must not.
// Each history is exact; then bytes are changed, or the power goes, and the store is opened again
// and compared with a model.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/support/fault_device.h"
#include "tests/support/sim_device.h"
#include "tests/support/small_store.h"

namespace ddsnap::test {
namespace {

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

// The whole-volume simulation found it (seed 12583): a full store has no slots to copy to what a
// failed flush left in the cache alone, and the next power cut took it.
TEST(Timeline1, KeptCopyOutsOfAFullStoreOutliveThePowerCutAfterAFailedFlush) {
  constexpr std::uint64_t kChunks = 16;
  constexpr std::uint64_t kMetadataBytes = (64u << 10) + 2 * (128u << 10) + 65 * 4096;
  SimWorld world(1);
  SimDevice& origin = world.add_device("origin", {.size_bytes = kChunks * 4096});
  SimDevice& snapstore =
      world.add_device("snapstore", {.size_bytes = kMetadataBytes + kChunks * 4096});
  SeededRandom random(1);
  std::vector<std::byte> old_bytes(kChunks * 4096);
  random.fill(old_bytes);
  ASSERT_TRUE(origin.write_at(0, old_bytes));
  ASSERT_TRUE(origin.flush());
  ASSERT_TRUE(initialize_store({snapstore, origin}, {.chunk_shift = 12}, random));
  auto store = SnapStore::open({snapstore, origin}, {}, random);
  ASSERT_TRUE(store);
  ASSERT_EQ((*store)->facts().slots_total, kChunks);
  ASSERT_TRUE((*store)->create({.uuid = Uuid::make(random), .tag = "0"}));
  std::vector<WriteAsk> asks;
  for (std::uint32_t chunk = 0; chunk < kChunks; ++chunk) asks.push_back({{chunk}});
  world.fail_flush(world.flushes(), 2);
  ASSERT_FALSE((*store)->prepare_writes(asks));
  // The server is started again; all its slots are taken. Now the writers get their grants.
  store = SnapStore::open({snapstore, origin}, {.must_resume = true}, random);
  ASSERT_TRUE(store) << store.error().message();
  ASSERT_EQ((*store)->usage().slots_free, 0u);
  for (std::uint32_t chunk = 0; chunk < kChunks; ++chunk)
    ASSERT_TRUE((*store)->is_granted({chunk}));
  ASSERT_TRUE(origin.write_at(0, std::vector<std::byte>(kChunks * 4096)));
  ASSERT_TRUE(origin.flush());
  world.crash_now();
  for (const SimImage& image : world.crash_images(4)) {
    SimWorld after(image, 2);
    const auto again = SnapStore::open({after.device(1), after.device(0)}, {}, random);
    ASSERT_TRUE(again) << again.error().message();
    std::vector<Location> places;
    ASSERT_TRUE((*again)->locate((*again)->find("0")->epoch, {{0}, kChunks}, places));
    for (std::uint32_t chunk = 0; chunk < kChunks; ++chunk) {
      ASSERT_EQ(places[chunk].place, Location::Place::kSlot);
      std::vector<std::byte> bytes(4096);
      const std::uint64_t slots_at = (*again)->facts().slots_offset_bytes;
      ASSERT_TRUE(after.device(1).read_at(slots_at + places[chunk].slot.value * 4096, bytes));
      EXPECT_TRUE(std::ranges::equal(bytes, std::span(old_bytes).subspan(chunk * 4096, 4096)))
          << image.description << ", chunk " << chunk;
    }
  }
}

}  // namespace
}  // namespace ddsnap::test
