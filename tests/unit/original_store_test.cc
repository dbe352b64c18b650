// Weaknesses of the original's snapstore (ORIGINAL.md 7.1 and 7.2) that ours must not have, each by
// its number there: journal bytes kept as data, a chunk rewritten under very many snapshots, and
// I/O errors at copy-out, which the original noted and went on. tests/ORIGINAL.md names the tests
// of the others.
#include <gtest/gtest.h>

#include "server/store/layout.h"
#include "tests/support/fault_device.h"
#include "tests/support/small_store.h"

namespace ddsnap::test {
namespace {

constexpr std::size_t kChunkBytes = SmallStore::kChunkBytes;
constexpr std::uint32_t kChunks = 16;

// 7.1.5: the original took its journal's magic for a record wherever it met it.
TEST(Original5, JournalBytesThatAreDataStayData) {
  SmallStore small;
  small.create();
  small.write(0, 8);
  std::vector<std::byte> journal(kChunkBytes * 8);
  ASSERT_TRUE(small.snapstore.read_at(kJournalOffset, journal));
  ASSERT_TRUE(small.origin.write_at(0, journal));
  const auto created = small.store->create({.uuid = {{std::byte{1}}}, .tag = "DDJRDDSNAPSBDDMB"});
  ASSERT_TRUE(created) << created.error().message();
  ASSERT_TRUE(small.store->attach({.is_origin = true, .label = "DDJRDDJRDDJRDDJRDDJRDDJRDDJR"}));
  std::vector<WriteAsk> asks;
  for (std::uint32_t chunk = 0; chunk < 8; ++chunk) asks.push_back({{chunk}});
  ASSERT_TRUE(small.store->prepare_writes(asks));
  ASSERT_TRUE(small.origin.write_at(0, std::vector<std::byte>(journal.size())));
  small.kill_and_open();
  EXPECT_TRUE(small.store->findings().empty());
  std::vector<Location> found;
  ASSERT_TRUE(small.store->locate(*created, {{0}, 8}, found));
  for (std::uint32_t chunk = 0; chunk < 8; ++chunk) {
    const auto wanted = std::span(journal).subspan(chunk * kChunkBytes, kChunkBytes);
    if (found[chunk].place == Location::Place::kZero) {
      EXPECT_TRUE(is_all_zero(wanted)) << chunk;
      continue;
    }
    ASSERT_EQ(found[chunk].place, Location::Place::kSlot) << chunk;
    std::vector<std::byte> kept(kChunkBytes);
    ASSERT_TRUE(small.snapstore.read_at(small.slot_offset_bytes(found[chunk].slot), kept));
    EXPECT_TRUE(std::ranges::equal(kept, wanted)) << chunk;
  }
}

// 7.1.8: under 64 snapshots, with small metadata blocks, the original kept 3 copies in place of 64.
TEST(Original8, ChunkRewrittenUnderEachOf300SnapshotsHasACopyForEach) {
  SmallStore small(kChunks, 32u << 20, 16);
  for (int snapshot = 0; snapshot < 300; ++snapshot) {
    small.create();
    small.write(5);
    if (snapshot % 50 == 0) small.kill_and_open();
  }
  EXPECT_EQ(small.wrong(), "");
  small.kill_and_open();
  EXPECT_EQ(small.wrong(), "");
  EXPECT_EQ(small.store->usage().exceptions, 300u);
  EXPECT_EQ(small.store->usage().slots_free + 300, small.store->facts().slots_total);
}

// A store with one snapshot over devices that fail on order.
struct FaultyStore {
  SmallStore small{kChunks};
  FaultDevice origin{small.origin};
  FaultDevice snapstore{small.snapstore};
  std::unique_ptr<SnapStore> store;
  Epoch snapshot;

  FaultyStore() {
    small.create();
    snapshot = small.epoch(0);
    small.kill();
    open();
  }
  void open() {
    store.reset();
    auto opened = SnapStore::open({snapstore, origin}, {}, small.random);
    ASSERT_TRUE(opened) << opened.error().message();
    store = *std::move(opened);
  }
  std::vector<WriteAsk> ask(std::uint32_t first, std::uint32_t count, Status& done) {
    std::vector<WriteAsk> asks;
    for (std::uint32_t i = 0; i < count; ++i) asks.push_back({{first + i}});
    done = store->prepare_writes(asks);
    return asks;
  }
  Location::Place place(std::uint32_t chunk) {
    std::vector<Location> found;
    EXPECT_TRUE(store->locate(snapshot, {{chunk}, 1}, found));
    return found.at(0).place;
  }
};

// 7.2.12: the original committed the exception although its copy had failed.
TEST(Original12, ChunkThatCannotBeReadIsNeitherGrantedNorKept) {
  FaultyStore faulty;
  ASSERT_TRUE(faulty.store->set_settings({.on_failure = OnStoreFailure::kOriginStops}));
  faulty.origin.inject({.op = DeviceOp::kRead,
                        .range = ByteRange{4 * kChunkBytes, kChunkBytes},
                        .is_forever = true});
  Status done;
  const auto asks = faulty.ask(3, 3, done);
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(asks[0].outcome, WriteAsk::Outcome::kGranted);
  EXPECT_EQ(asks[1].outcome, WriteAsk::Outcome::kOriginUnreadable);
  EXPECT_EQ(asks[2].outcome, WriteAsk::Outcome::kGranted);
  EXPECT_FALSE(faulty.store->is_granted({4}));
  EXPECT_EQ(faulty.place(4), Location::Place::kOrigin);
  faulty.origin.heal();
  faulty.open();
  EXPECT_EQ(faulty.place(4), Location::Place::kOrigin);
  EXPECT_EQ(faulty.place(3), Location::Place::kSlot);
}

// Where the origin's writers are to go on, the chunk is lost in the snapshot, and known to be.
TEST(Original12, ChunkThatCannotBeReadIsKnownToBeLost) {
  FaultyStore faulty;
  faulty.origin.inject({.op = DeviceOp::kRead,
                        .range = ByteRange{4 * kChunkBytes, kChunkBytes},
                        .is_forever = true});
  Status done;
  const auto asks = faulty.ask(4, 1, done);
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(asks[0].outcome, WriteAsk::Outcome::kGranted);
  faulty.origin.heal();
  faulty.open();
  EXPECT_EQ(faulty.place(4), Location::Place::kDamaged);
}

TEST(Original12, CopyOrRecordThatCannotBeWrittenGrantsNothing) {
  for (const bool is_flush : {false, true}) {
    FaultyStore faulty;
    faulty.snapstore.inject(
        {.op = is_flush ? DeviceOp::kFlush : DeviceOp::kWrite, .is_forever = true});
    Status done;
    const auto asks = faulty.ask(0, 4, done);
    EXPECT_FALSE(done && asks[0].outcome == WriteAsk::Outcome::kGranted);
    faulty.snapstore.heal();
    faulty.open();
    EXPECT_TRUE(faulty.store->findings().empty());
    for (std::uint32_t chunk = 0; chunk < 4; ++chunk) {
      const Location::Place place = faulty.place(chunk);
      EXPECT_TRUE(place == Location::Place::kOrigin || place == Location::Place::kSlot);
    }
  }
}

}  // namespace
}  // namespace ddsnap::test
