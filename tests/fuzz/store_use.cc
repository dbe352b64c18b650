#include "tests/fuzz/store_use.h"

#include <algorithm>
#include <cstdio>

#include "tests/fuzz/fuzz_target.h"

namespace ddsnap::fuzz {

namespace {

constexpr int kMaxBackgroundSteps = 100;
constexpr std::uint32_t kChunks = 24;

void look(SnapStore& store, const std::vector<BoundaryFacts>& boundaries) {
  for (const BoundaryFacts& one : boundaries) {
    std::vector<Location> found;
    (void)store.locate(one.epoch, {{0}, kChunks}, found);
    (void)store.slots_freed_by_removing(one.epoch);
    (void)store.find(one.tag);
    (void)store.changed(one.epoch, Epoch{});
    (void)store.changed(boundaries.front().epoch, one.epoch);
  }
  (void)store.usage();
  (void)store.is_metadata_short();
}

void write(SnapStore& store) {
  std::vector<WriteAsk> asks;
  for (std::uint32_t chunk = 0; chunk < kChunks; ++chunk) asks.push_back({{chunk}});
  (void)store.prepare_writes(asks);
}

void work_in_background(SnapStore& store) {
  for (int step = 0; step < kMaxBackgroundSteps && store.has_background_work(); ++step)
    if (!store.background_step()) return;
}

void use(SnapStore& store) {
  auto boundaries = store.boundaries({}, 64);
  look(store, boundaries);
  write(store);
  const ChunkNr chunks[] = {{1}, {7}};
  for (const BoundaryFacts& one : boundaries)
    (void)store.prepare_snapshot_writes(one.epoch, chunks);
  (void)store.set_priority(store.newest_boundary(), 3);
  (void)store.attach({.is_origin = true, .label = "fuzz"});
  (void)store.create({.uuid = {{std::byte{1}}}, .tag = "new"});
  write(store);
  work_in_background(store);
  look(store, boundaries);
  for (std::size_t i = 0; i < boundaries.size(); ++i)
    (void)store.remove(boundaries[i].epoch, static_cast<SnapStore::Keep>(i % 3));
  work_in_background(store);
  look(store, store.boundaries({}, 64));
  (void)store.seal();
}

void must_open_again(BlockDevice& snapstore, BlockDevice& origin, const SnapStore::Options& options,
                     const char* what) {
  SeededRandom random(2);
  const auto store = SnapStore::open({snapstore, origin}, options, random);
  if (!store) std::fprintf(stderr, "%s\n", store.error().message().c_str());
  must(store.has_value(), what);
}

}  // namespace

bool open_and_use(BlockDevice& snapstore, BlockDevice& origin) {
  SeededRandom random(1);
  const SnapStore::Options options{.spill_entries = 16};
  auto store = SnapStore::open({snapstore, origin}, options, random);
  if (!store) {
    must(!store.error().text.empty(), "an error has a sentence");
    return false;
  }
  store->reset();
  must_open_again(snapstore, origin, options, "a store that opened opens again");
  store = SnapStore::open({snapstore, origin}, options, random);
  use(**store);
  const bool has_failed = (*store)->failed().has_value();
  if (!has_failed) (void)(*store)->close_cleanly();
  store->reset();
  if (!has_failed) must_open_again(snapstore, origin, options, "a store that was used opens again");
  return true;
}

}  // namespace ddsnap::fuzz
