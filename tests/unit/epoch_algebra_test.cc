// Shows that the store's epoch tables are right: random histories of writes, creates, deletes,
// bookmarks, private writes, spills and merges over a real SnapStore, compared chunk by chunk and
// list by list with a brute-force model that shares no code with it; and that a store closed or
// merely dropped (as by kill -9) comes back the same, with the same free space.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/support/memory_device.h"
#include "tests/support/store_harness.h"

namespace ddsnap::test {
namespace {

struct Disks {
  MemoryDevice origin{33 * StoreHarness::kChunkBytes + 512, "origin"};  // a short last chunk
  MemoryDevice snapstore{8u << 20, "snapstore"};
  MemoryDevice metadata{4u << 20, "metadata"};
  bool is_split = false;

  StoreDevices devices() {
    return {.snapstore = snapstore, .origin = origin, .metadata = is_split ? &metadata : nullptr};
  }
};

class EpochAlgebra : public ::testing::TestWithParam<bool> {};

TEST_P(EpochAlgebra, RandomHistoriesMatchTheModel) {
  constexpr std::uint64_t kFirstSeed = 1;
  constexpr std::uint64_t kSeeds = 24;
  constexpr int kSteps = 700;
  for (std::uint64_t seed = kFirstSeed; seed < kFirstSeed + kSeeds; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    SeededRandom random(seed);
    Disks setup;
    setup.is_split = GetParam();
    ASSERT_TRUE(initialize_store(setup.devices(), {.chunk_shift = 12}, random));
    const SnapStore::Options options{.spill_entries = 16 + random.below(64)};
    Model model;
    auto store = SnapStore::open(setup.devices(), options, random);
    ASSERT_TRUE(store) << store.error().message();
    for (int step = 0; step < kSteps; ++step) {
      StoreHarness harness(**store, setup.snapstore, setup.origin, model, random);
      const Status done = harness.step();
      ASSERT_TRUE(done) << "step " << step << ": " << done.error().message();
      if (step % 20 == 0) {
        const std::string wrong = check_store(**store, setup.snapstore, setup.origin, model, true);
        ASSERT_EQ(wrong, "") << "step " << step;
      }
      if (random.below(60) == 0) {
        // Free space after all reclaiming must be what recovery derives from the tables alone.
        const bool is_drained = random.below(2) == 0;
        if (is_drained) {
          ASSERT_TRUE(harness.drain_background());
        }
        const std::uint64_t free_before = (*store)->usage().slots_free;
        store = SnapStore::open(setup.devices(), options, random);
        ASSERT_TRUE(store) << "step " << step << ": " << store.error().message();
        if (is_drained) {
          ASSERT_EQ((*store)->usage().slots_free, free_before) << "step " << step;
        }
        ASSERT_EQ((*store)->findings(), std::vector<std::string>{});
        ASSERT_EQ(check_store(**store, setup.snapstore, setup.origin, model, true), "");
      }
    }
    for (ModelBoundary& boundary : model.boundaries)
      ASSERT_TRUE(
          (*store)->remove((*store)->find(boundary.uuid)->epoch, SnapStore::Keep::kNothing));
    Model nothing;
    StoreHarness last(**store, setup.snapstore, setup.origin, nothing, random);
    ASSERT_TRUE(last.drain_background());
    EXPECT_EQ((*store)->usage().slots_free, (*store)->facts().slots_total) << "slots leaked";
  }
}

INSTANTIATE_TEST_SUITE_P(Devices, EpochAlgebra, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "Split" : "OneDevice"; });

}  // namespace
}  // namespace ddsnap::test
