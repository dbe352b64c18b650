// A small snapstore over memory devices with a model beside it, for tests that need one exact
// history and then do something to the bytes.
//
// Shape     Chunks of 4 KiB. The origin is written full before the first snapshot, so that no
//           chunk is zero. kill() is a kill -9: all that was written is there, nothing is closed.
// Threads   None inside.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/support/memory_device.h"
#include "tests/support/store_harness.h"

namespace ddsnap::test {

class SmallStore {
 public:
  static constexpr std::size_t kChunkBytes = StoreHarness::kChunkBytes;

  explicit SmallStore(std::uint32_t chunks = 64, std::uint64_t snapstore_bytes = 2u << 20,
                      std::size_t spill_entries = 0)
      : origin{chunks * kChunkBytes, "origin"},
        snapstore{snapstore_bytes, "snapstore"},
        spill_entries_(spill_entries) {
    const Status made = initialize_store({snapstore, origin}, {.chunk_shift = 12}, random);
    EXPECT_TRUE(made) << made.error().message();
    open();
    for (std::uint32_t chunk = 0; chunk < chunks; ++chunk) write(chunk);
  }

  void open() {
    auto opened = SnapStore::open({snapstore, origin}, {.spill_entries = spill_entries_}, random);
    ASSERT_TRUE(opened) << opened.error().message();
    store = *std::move(opened);
  }
  void kill() { store.reset(); }
  void kill_and_open() {
    kill();
    open();
  }

  StoreHarness harness() { return {*store, snapstore, origin, model, random, {.zero_percent = 0}}; }
  void write(std::uint32_t first, std::uint32_t count = 1) {
    const Status done = harness().write_chunks(first, count);
    ASSERT_TRUE(done) << done.error().message();
  }
  void create(bool is_bookmark = false) {
    const Status done = harness().create(is_bookmark);
    ASSERT_TRUE(done) << done.error().message();
  }
  void remove(std::size_t index, SnapStore::Keep keep = SnapStore::Keep::kNothing) {
    const Status done = harness().remove(index, keep);
    ASSERT_TRUE(done) << done.error().message();
  }
  Epoch epoch(std::size_t index) const {
    return store->find(model.boundaries.at(index).uuid)->epoch;
  }
  // As a snapshot target does it: a private slot, written in place.
  void write_private(std::size_t index, std::uint32_t chunk) {
    const ChunkNr chunks[] = {{chunk}};
    const auto slots = store->prepare_snapshot_writes(epoch(index), std::span(chunks));
    ASSERT_TRUE(slots) << slots.error().message();
    ModelBoundary& snapshot = model.boundaries[index];
    snapshot.written.insert(chunk);
    snapshot.image[chunk] = model.next_content++;
    ASSERT_TRUE(snapstore.write_at(slot_offset_bytes((*slots)[0]),
                                   content_bytes(snapshot.image[chunk], kChunkBytes)));
  }

  std::uint64_t slot_offset_bytes(SlotNr slot) const {
    return store->facts().slots_offset_bytes + slot.value * kChunkBytes;
  }
  Location locate(std::size_t index, std::uint32_t chunk) {
    std::vector<Location> found;
    const Status located = store->locate(epoch(index), {{chunk}, 1}, found);
    EXPECT_TRUE(located) << located.error().message();
    return found.empty() ? Location{} : found[0];
  }
  // Empty: everything is as the model has it.
  std::string wrong(bool is_exact = true) {
    return check_store(*store, snapstore, origin, model, is_exact);
  }

  SeededRandom random{20260401};
  MemoryDevice origin;
  MemoryDevice snapstore;
  Model model;
  std::unique_ptr<SnapStore> store;

 private:
  const std::size_t spill_entries_;
};

inline void flip_bit(CowBytes& bytes, std::uint64_t offset_bytes) {
  std::byte one[1];
  bytes.read(offset_bytes, one);
  one[0] ^= std::byte{4};
  bytes.write(offset_bytes, one);
}
inline void flip_bit(MemoryDevice& device, std::uint64_t offset_bytes) {
  CowBytes bytes = device.content();
  flip_bit(bytes, offset_bytes);
  device.set_content(std::move(bytes));
}

}  // namespace ddsnap::test
