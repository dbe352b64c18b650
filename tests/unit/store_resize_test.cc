// Growing while the store is open: new slots are used and survive a restart, snapshots keep their
// content and size, and lists across a growth hold the new part (timeline 10). Cut off at every
// write and every flush of the growth, over disks whose unflushed sectors are kept, dropped or
// torn, the store has the one size or the other and every snapshot is right. Shrinking is refused.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <memory>

#include "tests/support/memory_device.h"
#include "tests/support/sim_device.h"
#include "tests/support/store_harness.h"
#include "tests/support/wrapped_device.h"

namespace ddsnap::test {
namespace {

constexpr std::size_t kChunk = StoreHarness::kChunkBytes;
constexpr std::uint64_t kSmallStore = 772u << 10;
constexpr std::uint64_t kLargeStore = 1156u << 10;
constexpr std::uint64_t kChunks = 32;

// Shows only so much of the device below until it is told that it has grown.
class GrowingDevice final : public WrappedDevice {
 public:
  GrowingDevice(BlockDevice& whole, std::uint64_t bytes)
      : WrappedDevice(whole), geometry_(whole.geometry()) {
    geometry_.size_bytes = bytes;
  }
  const DeviceGeometry& geometry() const override { return geometry_; }
  void set_size(std::uint64_t bytes) { geometry_.size_bytes = bytes; }

 private:
  DeviceGeometry geometry_;
};

HarnessMix writes_alone() {
  return {.write = 90,
          .create = 10,
          .bookmark = 0,
          .remove = 0,
          .to_bookmark = 0,
          .snapshot_write = 0,
          .zero_percent = 0};
}

TEST(StoreResize, NewSlotsAreUsedAndSurviveARestart) {
  SeededRandom random(1);
  MemoryDevice origin(kChunks * kChunk, "origin");
  MemoryDevice whole(kLargeStore, "snapstore");
  GrowingDevice snapstore(whole, kSmallStore);
  ASSERT_TRUE(initialize_store({snapstore, origin}, {.chunk_shift = 12}, random));
  auto store = *SnapStore::open({snapstore, origin}, {}, random);
  Model model;
  StoreHarness harness(*store, snapstore, origin, model, random, writes_alone());
  const std::uint64_t before = store->facts().slots_total;
  // Until the next round would find no room.
  ASSERT_TRUE(harness.write_chunks(0, kChunks));
  while (store->usage().slots_free >= kChunks) {
    ASSERT_TRUE(harness.create(false));
    ASSERT_TRUE(harness.write_chunks(0, kChunks));
  }
  EXPECT_TRUE(store->grow_slots());
  EXPECT_EQ(store->facts().slots_total, before) << "the device has not grown";

  snapstore.set_size(kLargeStore);
  EXPECT_GT(store->slots_after_growth(), before);
  ASSERT_TRUE(store->grow_slots());
  EXPECT_EQ(store->facts().slots_total, before + (kLargeStore - kSmallStore) / kChunk);
  ASSERT_TRUE(harness.create(false));
  ASSERT_TRUE(harness.write_chunks(0, kChunks));
  ASSERT_TRUE(harness.create(false));
  ASSERT_TRUE(harness.write_chunks(0, kChunks));
  EXPECT_EQ(check_store(*store, snapstore, origin, model, true), "");

  store.reset();
  store = *SnapStore::open({snapstore, origin}, {}, random);
  EXPECT_EQ(check_store(*store, snapstore, origin, model, true), "");
  EXPECT_EQ(store->facts().slots_total, before + (kLargeStore - kSmallStore) / kChunk);
  snapstore.set_size(kSmallStore);
  EXPECT_EQ(store->grow_slots().error().code, ErrorCode::kUsage);
}

TEST(StoreResize, AnOriginGrowsUnderItsSnapshots) {
  SeededRandom random(2);
  MemoryDevice whole(kChunks * kChunk, "origin");
  MemoryDevice snapstore(kLargeStore, "snapstore");
  GrowingDevice origin(whole, 20 * kChunk + 512);
  ASSERT_TRUE(initialize_store({snapstore, origin}, {.chunk_shift = 12}, random));
  auto store = *SnapStore::open({snapstore, origin}, {}, random);
  const Epoch small = *store->create({.uuid = Uuid::make(random), .tag = "small"});
  WriteAsk beyond[] = {{{24}}};
  EXPECT_FALSE(store->prepare_writes(beyond));

  origin.set_size(kChunks * kChunk);
  ASSERT_TRUE(store->grow_origin());
  EXPECT_EQ(store->facts().geometry.volume_bytes, kChunks * kChunk);
  EXPECT_EQ(store->find(small)->size_bytes, 20 * kChunk + 512);
  ASSERT_TRUE(store->prepare_writes(beyond));
  EXPECT_EQ(beyond[0].outcome, WriteAsk::Outcome::kGranted);
  const auto changed = store->changed(small, {});
  ASSERT_TRUE(changed);
  EXPECT_EQ(changed->cardinality(), 12u);  // the boundary chunk and all behind it
  EXPECT_EQ(changed->minimum(), 20u);

  store.reset();
  store = *SnapStore::open({snapstore, origin}, {}, random);
  EXPECT_EQ(store->facts().geometry.volume_bytes, kChunks * kChunk);
  origin.set_size(20 * kChunk);
  EXPECT_EQ(store->grow_origin().error().code, ErrorCode::kUsage);
}

// What was there before the growth, and what the growth may leave behind.
std::string recovered_wrong(const SimImage& image, const Model& model, std::uint64_t seed) {
  SimWorld world(image, seed);
  SeededRandom random(seed);
  auto store = SnapStore::open({world.device(1), world.device(0)}, {.spill_entries = 12}, random);
  if (!store) return "open: " + store.error().message();
  std::string wrong = check_store(**store, world.device(1), world.device(0), model, false);
  if (!wrong.empty()) return wrong;
  // Whichever size it has, it can grow to the whole.
  if (const Status grown = (*store)->grow_slots(); !grown) return grown.error().message();
  Model later = model;
  settle(later, **store, world.device(1), world.device(0));
  StoreHarness harness(**store, world.device(1), world.device(0), later, random, writes_alone());
  for (int step = 0; step < 10; ++step)
    if (const Status done = harness.step(); !done && done.error().code != ErrorCode::kNoSpace)
      return done.error().message();
  return check_store(**store, world.device(1), world.device(0), later, false);
}

TEST(StoreResize, APowerCutAtAnyMomentOfAGrowthHurtsNothing) {
  constexpr std::uint64_t kSeed = 20261120;
  SCOPED_TRACE(fmt::format("seed {}", kSeed));
  // The operations until the growth begins are the same in every round.
  for (std::uint64_t crash_at = 0;; ++crash_at) {
    SimWorld world(kSeed);
    SimDevice& origin = world.add_device("origin", {.size_bytes = kChunks * kChunk});
    SimDevice& whole = world.add_device("snapstore", {.size_bytes = kLargeStore});
    GrowingDevice snapstore(whole, kSmallStore);
    SeededRandom random(kSeed);
    ASSERT_TRUE(initialize_store({snapstore, origin}, {.chunk_shift = 12}, random));
    auto store = *SnapStore::open({snapstore, origin}, {.spill_entries = 12}, random);
    Model model;
    StoreHarness harness(*store, snapstore, origin, model, random, writes_alone());
    for (int step = 0; step < 25; ++step) static_cast<void>(harness.step());
    snapstore.set_size(kLargeStore);
    world.crash_at_operation(world.operations() + crash_at);
    const Status grown = store->grow_slots();
    // The first writes into the new slots are part of what may be cut.
    if (grown)
      for (int step = 0; step < 4; ++step)
        if (!harness.step()) break;
    for (const SimImage& image : world.crash_images(6)) {
      SCOPED_TRACE(fmt::format("cut at {}: {}", crash_at, image.description));
      ASSERT_EQ(recovered_wrong(image, model, kSeed + crash_at), "");
    }
    if (!world.crashed()) break;
  }
}

}  // namespace
}  // namespace ddsnap::test
