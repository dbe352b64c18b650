// Shows that superblock and manifest may be lost where a copy is left: every choice of their copies
// is damaged; the check names each, and as long as one superblock and one manifest are whole no
// snapshot is hurt and the repaired store is clean. The third superblock is found when the
// beginning of the device was overwritten, it is never one of an older store or of another place,
// and what it said of a failed store still holds. Where all copies are gone, that is said.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "server/store/superblock_search.h"
#include "tests/support/damaged_store.h"
#include "tests/support/small_store.h"
#include "tests/support/trace_device.h"

namespace ddsnap::test {
namespace {

constexpr std::uint64_t kBlock = 4096;

struct Copies {
  std::vector<DamagePlace> superblocks;  // of the metadata device
  std::vector<DamagePlace> manifests;    // the first block of each
};

Copies copies_of(const StoreHistory& history) {
  StoreCopy copy(history.now);
  const std::size_t device = history.now.devices.size() > 2 ? 2 : 0;
  const StoreDevices devices = copy.devices();
  BlockDevice& metadata = devices.metadata ? *devices.metadata : devices.snapstore;
  const Superblock superblock = read_superblock(metadata, StoreRole::kMetadata)->superblock;
  Copies copies;
  for (int i = 0; i < kSuperblockCopies; ++i)
    copies.superblocks.push_back({device, superblock.layout.superblock_offset_bytes(i)});
  for (const BlobRef& manifest : superblock.manifests)
    copies.manifests.push_back(
        {device, superblock.layout.block_offset_bytes(manifest.extents[0].first)});
  return copies;
}

void flip(StoreBytes& bytes, const DamagePlace& place, std::size_t at) {
  auto content = bytes_at(bytes, place);
  content[at] ^= std::byte{1};
  put_bytes(bytes, place, content);
}

// Empty: nothing is hurt, `findings` things were found, and the repair leaves nothing to be found.
std::string wrong_after_repair(const StoreBytes& damaged, const Model& model,
                               std::size_t findings) {
  StoreCopy copy(damaged);
  SeededRandom random(1);
  auto inspection = StoreInspection::open(copy.devices(), {}, random);
  if (!inspection) return "check: " + inspection.error().message();
  const CheckVerdict verdict = check_all(**inspection);
  if (verdict.findings.size() != findings)
    return fmt::format("{} findings, the first: {}", verdict.findings.size(),
                       verdict.findings.empty() ? "" : verdict.findings[0]);
  for (const auto& [uuid, chunks] : verdict.hurt)
    if (!chunks.empty()) return "a snapshot is hurt";
  if (const Status repaired = (*inspection)->repair(); !repaired)
    return "repair: " + repaired.error().message();
  inspection->reset();
  if (!check_copy(copy.bytes()).is_clean()) return "damage is found again";
  const auto store = SnapStore::open(copy.devices(), {}, random);
  if (!store) return "open: " + store.error().message();
  return check_store(**store, copy.devices().snapstore, copy.devices().origin, model, true);
}

class StoreSpares : public ::testing::TestWithParam<bool> {
 protected:
  const StoreHistory history_ = make_history(11, GetParam(), Ending::kQuiet);
  const Copies copies_ = copies_of(history_);
  SeededRandom random_{1};
};

TEST_P(StoreSpares, AnyCopiesOfSuperblockAndManifestMayGoButNotAll) {
  for (unsigned gone = 1; gone < 32; ++gone)
    for (const std::size_t at : {std::size_t{2}, std::size_t{45}, std::size_t{4090}}) {
      StoreBytes damaged = history_.now;
      for (std::size_t i = 0; i < 3; ++i)
        if (gone & (1u << i)) flip(damaged, copies_.superblocks[i], at);
      for (std::size_t i = 0; i < 2; ++i)
        if (gone & (8u << i)) flip(damaged, copies_.manifests[i], at);
      SCOPED_TRACE(fmt::format("gone: {:05b}, byte {}", gone, at));
      if ((gone & 7) == 7 || (gone & 24) == 24) {
        const CheckVerdict verdict = check_copy(damaged);
        ASSERT_TRUE(verdict.fatal);
        EXPECT_TRUE(verdict.fatal->code == ErrorCode::kDamaged ||
                    verdict.fatal->code == ErrorCode::kNotInitialized);
        continue;
      }
      // With both at the beginning gone, one sentence tells of them.
      const int superblocks = (gone & 3) == 3 ? 1 : std::popcount(gone & 7);
      ASSERT_EQ(
          wrong_after_repair(damaged, history_.model,
                             static_cast<std::size_t>(superblocks + std::popcount(gone >> 3))),
          "");
    }
}

TEST_P(StoreSpares, AServerStartsOnOneManifestAndTwoSuperblocks) {
  StoreBytes damaged = history_.now;
  flip(damaged, copies_.manifests[0], 100);
  flip(damaged, copies_.superblocks[0], 100);
  flip(damaged, copies_.superblocks[2], 100);
  StoreCopy copy(damaged);
  {
    const auto store = SnapStore::open(copy.devices(), {}, random_);
    ASSERT_TRUE(store) << store.error().message();
    EXPECT_EQ((*store)->findings().size(), 3u);
  }
  const auto again = SnapStore::open(copy.devices(), {}, random_);
  ASSERT_TRUE(again);
  EXPECT_EQ((*again)->findings(), std::vector<std::string>{}) << "they were not written anew";
}

// Not even by the server, which would have to take somebody's word for where the table region ends.
TEST_P(StoreSpares, AnOverwrittenBeginningIsRepairedAndNotOverlookedByInitialize) {
  StoreBytes damaged = history_.now;
  // Both superblocks and all of the journal's first ring.
  const DamagePlace beginning{copies_.superblocks[0].device, 0, 65536 + (128 << 10)};
  put_bytes(damaged, beginning, std::vector<std::byte>(beginning.length_bytes));
  StoreCopy copy(damaged);
  const auto opened = SnapStore::open(copy.devices(), {}, random_);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kNotInitialized);
  EXPECT_NE(opened.error().text.find("ddsnap check"), std::string::npos);
  EXPECT_TRUE(*is_store(copy.devices(), {.chunk_shift = 12}));
  EXPECT_EQ(wrong_after_repair(damaged, history_.model, 2), "");
}

TEST_P(StoreSpares, TheMarkOfAFailedStoreIsOnTheThirdCopyToo) {
  StoreCopy copy(history_.now);
  ASSERT_TRUE(close_unopened_store(copy.devices(), "a test"));
  StoreBytes damaged = copy.bytes();
  flip(damaged, copies_.superblocks[0], 100);
  flip(damaged, copies_.superblocks[1], 100);
  StoreCopy looked_at(damaged);
  ASSERT_TRUE((*StoreInspection::open(looked_at.devices(), {}, random_))->repair());
  const auto opened = SnapStore::open(looked_at.devices(), {}, random_);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kFailed);
}

INSTANTIATE_TEST_SUITE_P(Devices, StoreSpares, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "Split" : "OneDevice"; });

// Of a snapstore with its metadata elsewhere both superblocks can be made again, since its slots
// show whose it is.
TEST(DataDevice, ItsSuperblocksAreMadeAgainWhereTheSlotsMatch) {
  const StoreHistory history = make_history(12, true, Ending::kClosed);
  StoreBytes damaged = history.now;
  for (const std::uint64_t offset_bytes : kSuperblockOffsets)
    put_bytes(damaged, {0, offset_bytes}, std::vector<std::byte>(kBlock));
  EXPECT_EQ(wrong_after_repair(damaged, history.model, 1), "");
}

TEST(DataDevice, SomebodyElsesIsNotTakenForIt) {
  const StoreHistory history = make_history(12, true, Ending::kClosed);
  StoreBytes other = history.now;
  other.devices[0] = CowBytes(history.now.devices[0].size());
  StoreCopy copy(other);
  SeededRandom random(1);
  const auto inspection = *StoreInspection::open(copy.devices(), {}, random);
  EXPECT_FALSE(check_all(*inspection).is_clean());
  const Status repaired = inspection->repair();
  ASSERT_FALSE(repaired);
  EXPECT_EQ(repaired.error().code, ErrorCode::kDamaged);
  for (std::size_t i = 0; i < other.devices.size(); ++i)
    EXPECT_EQ(copy.bytes().devices[i], other.devices[i]);
}

// A power cut may tear what is being written: it must never be the only whole copy (seed 54305 of
// the simulation lost both so, in two cuts).
TEST(DataDevice, DamagedCopyIsWrittenBeforeTheWholeOne) {
  for (const std::size_t torn : {0, 1}) {
    const StoreHistory history = make_history(12, true, Ending::kClosed);
    StoreBytes damaged = history.now;
    flip(damaged, {0, kSuperblockOffsets[torn]}, 100);
    StoreCopy copy(damaged);
    StoreDevices devices = copy.devices();
    TraceDevice trace(devices.snapstore);
    SeededRandom random(1);
    const auto store = SnapStore::open({trace, devices.origin, devices.metadata}, {}, random);
    ASSERT_TRUE(store) << store.error().message();
    std::vector<TraceEntry> writes;
    for (const TraceEntry& entry : trace.entries())
      if (entry.op == DeviceOp::kWrite || entry.op == DeviceOp::kFlush) writes.push_back(entry);
    const auto first = std::ranges::find(writes, DeviceOp::kWrite, &TraceEntry::op);
    ASSERT_GE(writes.end() - first, 2);
    EXPECT_EQ(first->range.offset_bytes, kSuperblockOffsets[torn]);
    EXPECT_EQ(first[1].op, DeviceOp::kFlush);
  }
}

// An initialize with another journal puts the third copy elsewhere.
TEST(ThirdSuperblock, OfAnOlderStoreIsNotFound) {
  SmallStore small;
  small.create();
  small.write(0, 8);
  small.kill();
  const auto old = find_third_superblock(small.snapstore, false);
  ASSERT_TRUE(old && *old);
  ASSERT_TRUE(initialize_store({small.snapstore, small.origin},
                               {.chunk_shift = 12, .journal_bytes = 256 << 10}, small.random));
  CowBytes content = small.snapstore.content();
  content.fill(0, kJournalOffset, std::byte{0});
  small.snapstore.set_content(content);
  const auto found = find_third_superblock(small.snapstore, false);
  ASSERT_TRUE(found && *found);
  EXPECT_NE((*found)->superblock.store, (*old)->superblock.store);
  EXPECT_EQ((*found)->superblock.layout.journal_bytes, 256u << 10);
}

TEST(ThirdSuperblock, AtAnotherPlaceDoesNotCount) {
  SmallStore small;
  small.kill();
  const auto third = find_third_superblock(small.snapstore, false);
  ASSERT_TRUE(third && *third);
  const std::uint64_t at = (*third)->superblock.layout.superblock_offset_bytes(2);
  CowBytes content = small.snapstore.content();
  std::vector<std::byte> block(kBlock);
  content.read(at, block);
  content.fill(0, content.size(), std::byte{0});
  content.write(at + kBlock, block);
  small.snapstore.set_content(content);
  const auto found = find_third_superblock(small.snapstore, false);
  ASSERT_TRUE(found);
  EXPECT_FALSE(*found);
}

}  // namespace
}  // namespace ddsnap::test
