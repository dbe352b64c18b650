// Shows that no power cut loses or changes a snapshot: a seeded workload runs over simulated disks
// that are cut off at every write and every flush; from each cut many disk images are made in which
// every unflushed sector was kept, dropped or torn; each is recovered (some are cut again during
// recovery), and every snapshot, every acknowledged command and every changelist is compared with
// the model. And shows that the test can fail: with flushes that do nothing it does.
//
// DDSNAP_SIM_SEEDS=FIRST-LAST runs those seeds and not the short form's.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "tests/support/keep_memory.h"
#include "tests/support/sim_device.h"
#include "tests/support/store_harness.h"

namespace ddsnap::test {
namespace {

constexpr std::uint64_t kOriginBytes = 20 * StoreHarness::kChunkBytes + 512;
constexpr std::uint64_t kStoreBytes = 1u << 20;
constexpr std::uint64_t kMetadataBytes = 640u << 10;

struct Shape {
  bool is_split = false;
  int steps = 40;
  std::size_t images = 6;
};

StoreDevices devices_of(SimWorld& world) {
  return {.snapstore = world.device(1),
          .origin = world.device(0),
          .metadata = world.device_count() > 2 ? &world.device(2) : nullptr};
}

HarnessMix crash_mix() {
  return {.write = 60, .create = 9, .remove = 7, .background = 12, .checkpoint = 2};
}

// The same steps every time, up to the cut. Leaves in `model` what must be true and what may be.
void run_workload(SimWorld& world, std::uint64_t seed, const Shape& shape,
                  void (*sabotage)(SimWorld&), Model& model) {
  SeededRandom random(seed);
  if (!initialize_store(devices_of(world), {.chunk_shift = 12}, random)) return;
  sabotage(world);
  auto store = SnapStore::open(devices_of(world), {.spill_entries = 12}, random);
  if (!store) return;
  for (int step = 0; step < shape.steps; ++step) {
    StoreHarness harness(**store, world.device(1), world.device(0), model, random, crash_mix());
    if (!harness.step()) return;
  }
}

// Recovers an image and compares. Empty: all is right.
std::string recovered_wrong(const SimImage& image, std::uint64_t seed, const Model& model,
                            const Shape& shape) {
  SeededRandom random(seed ^ 0x5eed);
  // Some recoveries are themselves cut off, twice in a row, before one may finish.
  SimImage current = image;
  for (int cut = 0; cut < 2 && random.below(4) == 0; ++cut) {
    SimWorld again(current, seed + static_cast<std::uint64_t>(cut));
    again.crash_at_operation(random.below(12));
    static_cast<void>(SnapStore::open(devices_of(again), {.spill_entries = 12}, random));
    const std::vector<SimImage> images = again.crash_images(8);
    current = images[random.below(images.size())];
  }
  SimWorld final_world(current, seed);
  auto store = SnapStore::open(devices_of(final_world), {.spill_entries = 12}, random);
  if (!store) return "open: " + store.error().message();
  for (const std::string& finding : (*store)->findings())
    if (finding.find("superblock copy") == std::string::npos) return "finding: " + finding;
  std::string wrong =
      check_store(**store, final_world.device(1), final_world.device(0), model, false);
  if (!wrong.empty()) return wrong;
  // Life goes on after recovery, and stays right.
  Model later = model;
  settle(later, **store, final_world.device(1), final_world.device(0));
  for (int step = 0; step < shape.steps / 4; ++step) {
    StoreHarness harness(**store, final_world.device(1), final_world.device(0), later, random,
                         crash_mix());
    if (const Status done = harness.step(); !done) return "later: " + done.error().message();
  }
  wrong = check_store(**store, final_world.device(1), final_world.device(0), later, false);
  return wrong.empty() ? wrong : "later: " + wrong;
}

struct Tally {
  std::uint64_t cuts = 0;
  std::uint64_t images = 0;
  std::string failure;  // the first
};

// `sabotage` breaks the disks once the store is formatted.
Tally crash_everywhere(std::uint64_t seed, const Shape& shape, void (*sabotage)(SimWorld&)) {
  Tally tally;
  std::uint64_t formatted_at = 0;
  for (std::uint64_t crash_at = 0;; ++crash_at) {
    SimWorld world(seed);
    world.add_device("origin", {.size_bytes = kOriginBytes});
    world.add_device("snapstore", {.size_bytes = kStoreBytes});
    if (shape.is_split) world.add_device("metadata", {.size_bytes = kMetadataBytes});
    if (formatted_at == 0) {
      // Cuts inside initialize lose nothing that anyone was promised; begin behind it.
      SeededRandom random(seed);
      if (!initialize_store(devices_of(world), {.chunk_shift = 12}, random)) break;
      formatted_at = world.operations();
      crash_at = formatted_at;
      continue;
    }
    world.crash_at_operation(crash_at);
    Model model;
    run_workload(world, seed, shape, sabotage, model);
    ++tally.cuts;
    for (const SimImage& image : world.crash_images(shape.images)) {
      ++tally.images;
      const std::string wrong = recovered_wrong(image, seed + crash_at, model, shape);
      if (wrong.empty()) continue;
      tally.failure = fmt::format("seed {}, cut at operation {}, image {}: {}", seed, crash_at,
                                  image.description, wrong);
      return tally;
    }
    if (!world.crashed()) break;
  }
  return tally;
}

struct SeedRange {
  std::uint64_t first = 1;
  std::uint64_t last = 6;
};

SeedRange seeds() {
  SeedRange range;
  if (const char* text = std::getenv("DDSNAP_SIM_SEEDS")) {
    unsigned long long first = 0;
    unsigned long long last = 0;
    if (std::sscanf(text, "%llu-%llu", &first, &last) == 2) range = {first, last};
  }
  return range;
}

class StoreCrash : public ::testing::TestWithParam<bool> {
 protected:
  static void SetUpTestSuite() { keep_freed_memory(); }
};

TEST_P(StoreCrash, NoCutAtAnyOperationLosesASnapshot) {
  const SeedRange range = seeds();
  Tally all;
  for (std::uint64_t seed = range.first; seed <= range.last; ++seed) {
    const Tally tally = crash_everywhere(seed, {.is_split = GetParam()}, [](SimWorld&) {});
    all.cuts += tally.cuts;
    all.images += tally.images;
    ASSERT_EQ(tally.failure, "");
  }
  std::printf(
      "%llu cuts, %llu images, seeds %llu-%llu\n", static_cast<unsigned long long>(all.cuts),
      static_cast<unsigned long long>(all.images), static_cast<unsigned long long>(range.first),
      static_cast<unsigned long long>(range.last));
}

// A test of the test: without flushes something must be lost, and be noticed.
TEST_P(StoreCrash, FlushesThatDoNothingAreNoticed) {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    const Tally tally = crash_everywhere(seed, {.is_split = GetParam(), .images = 12},
                                         [](SimWorld& world) { world.ignore_flushes(true); });
    if (!tally.failure.empty()) return;
  }
  FAIL() << "no seed noticed that flushes did nothing";
}

INSTANTIATE_TEST_SUITE_P(Devices, StoreCrash, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "Split" : "OneDevice"; });

}  // namespace
}  // namespace ddsnap::test
