// The life of a snapstore on simulated devices: snapshots, copy-outs, checkpoints and kills, as far
// as the world lets it go, with the model of what must be there.
#pragma once

#include "tests/support/sim_device.h"
#include "tests/support/small_store.h"

namespace ddsnap::test {

constexpr std::uint64_t kSimOriginBytes = 16 * StoreHarness::kChunkBytes;
constexpr std::uint64_t kSimStoreBytes = 1u << 20;

inline SimWorld& with_devices(SimWorld& world) {
  world.add_device("origin", {.size_bytes = kSimOriginBytes});
  world.add_device("snapstore", {.size_bytes = kSimStoreBytes});
  return world;
}

inline StoreDevices devices_of(SimWorld& world) {
  return {.snapstore = world.device(1), .origin = world.device(0)};
}

// Snapshots, copy-outs, checkpoints, and a kill -9 now and then; as far as the world lets it.
inline void live(SimWorld& world, std::uint64_t seed, Model& model, int steps) {
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

}  // namespace ddsnap::test
