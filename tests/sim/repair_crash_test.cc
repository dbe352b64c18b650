// Shows that a repair survives a power cut at every write and every flush: stores damaged in each
// way that a repair knows are repaired over simulated disks that are cut off; from each cut disk
// images are made in which unflushed sectors were kept, dropped or torn; each is repaired again, or
// was repaired already, and then every snapshot reads as the model has it, but for exactly the
// chunks that were hurt before.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdio>

#include "tests/support/damaged_store.h"
#include "tests/support/keep_memory.h"
#include "tests/support/sim_device.h"

namespace ddsnap::test {
namespace {

SimImage image_of(const StoreBytes& bytes) {
  constexpr const char* kNames[] = {"snapstore", "origin", "metadata"};
  SimImage image;
  for (std::size_t i = 0; i < bytes.devices.size(); ++i)
    image.devices.push_back({kNames[i], {.size_bytes = bytes.devices[i].size()}, bytes.devices[i]});
  return image;
}

StoreDevices devices_of(SimWorld& world) {
  return {world.device(0), world.device(1), world.device_count() > 2 ? &world.device(2) : nullptr};
}

void spoil(StoreBytes& bytes, const DamagePlace& place) {
  auto content = bytes_at(bytes, place);
  content[content.size() / 8] ^= std::byte{1};
  put_bytes(bytes, place, content);
}

// One damaged copy for each kind of damage that can be repaired; of the journal also one whose
// rings are both damaged.
std::map<std::pair<DamageKind, bool>, StoreBytes> one_of_each_kind(const StoreHistory& history) {
  std::map<std::pair<DamageKind, bool>, StoreBytes> found;
  const auto add = [&](const StoreBytes& damaged, bool is_in_both_rings) {
    const CheckVerdict verdict = check_copy(damaged);
    if (!verdict.fatal && verdict.kinds.size() == 1)
      found.emplace(std::pair(*verdict.kinds.begin(), is_in_both_rings), damaged);
  };
  for (const DamagePlace& place : damage_places(history)) {
    StoreBytes damaged = history.now;
    spoil(damaged, place);
    add(damaged, false);
    const auto twin = twin_of(history, place);
    if (!twin) continue;
    spoil(damaged, *twin);
    add(damaged, true);
  }
  return found;
}

Status repair(StoreDevices devices, SeededRandom& random) {
  const auto inspection = DD_TRY(StoreInspection::open(devices, {}, random));
  if (check_all(*inspection).findings.empty()) return {};
  return inspection->repair();
}

// Empty: all is right.
std::string wrong_after(const SimImage& image, std::uint64_t seed, const Model& model,
                        const CheckVerdict& before) {
  SimWorld world(image, seed);
  SeededRandom random(seed);
  if (const Status repaired = repair(devices_of(world), random); !repaired)
    return "repaired again: " + repaired.error().message();
  auto store = SnapStore::open(devices_of(world), {}, random);
  if (!store) return "open: " + store.error().message();
  return wrong_reads(**store, devices_of(world), model, before);
}

class RepairCrash : public ::testing::TestWithParam<bool> {
 protected:
  static void SetUpTestSuite() { keep_freed_memory(); }
};

TEST_P(RepairCrash, NoCutAtAnyOperationLosesMore) {
  const StoreHistory history = make_history(2, GetParam(), Ending::kQuiet);
  const auto damaged = one_of_each_kind(history);
  for (const DamageKind kind :
       {DamageKind::kSuperblock, DamageKind::kManifest, DamageKind::kJournal,
        DamageKind::kChangeMap, DamageKind::kTable, DamageKind::kSlot})
    ASSERT_TRUE(damaged.contains({kind, false})) << static_cast<int>(kind);
  ASSERT_TRUE(damaged.contains({DamageKind::kJournal, true}));
  int cuts = 0;
  int images = 0;
  for (const auto& [kind_and_rings, bytes] : damaged) {
    const DamageKind kind = kind_and_rings.first;
    const CheckVerdict before = check_copy(bytes);
    for (std::uint64_t crash_at = 0;; ++crash_at) {
      SimWorld world(image_of(bytes), crash_at);
      world.crash_at_operation(crash_at);
      SeededRandom random(crash_at);
      const Status repaired = repair(devices_of(world), random);
      ++cuts;
      for (const SimImage& image : world.crash_images(6)) {
        ++images;
        ASSERT_EQ(wrong_after(image, crash_at, history.model, before), "")
            << "damage of kind " << static_cast<int>(kind) << ", cut at operation " << crash_at
            << ", image " << image.description;
      }
      if (!world.crashed()) {
        ASSERT_TRUE(repaired) << repaired.error().message();
        break;
      }
    }
  }
  std::printf("%d cuts, %d images\n", cuts, images);
}

INSTANTIATE_TEST_SUITE_P(Devices, RepairCrash, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "Split" : "OneDevice"; });

}  // namespace
}  // namespace ddsnap::test
