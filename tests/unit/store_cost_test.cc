// Shows what a first write costs, counted at the devices: one chunk read, one chunk written, at
// most 64 bytes of metadata in a batch of 64, one flush a batch, the same at 1 and at 1000
// snapshots; that a chunk written again costs nothing; that zero chunks take no slot; and that a
// small store has room for the metadata of thousands of snapshots.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

#include "server/store/snap_store.h"
#include "tests/support/memory_device.h"
#include "tests/support/trace_device.h"

namespace ddsnap::test {
namespace {

constexpr std::uint32_t kChunkBytes = 16384;
constexpr std::uint32_t kBatch = 64;
constexpr std::uint32_t kBatches = 64;

struct Cost {
  TraceTotal origin_reads, store_reads, chunk_writes, metadata_writes;
  std::uint64_t flushes = 0;
  std::uint64_t origin_writes = 0;
  friend bool operator==(const Cost& a, const Cost& b) {
    return a.origin_reads.operations == b.origin_reads.operations &&
           a.origin_reads.bytes == b.origin_reads.bytes &&
           a.store_reads.operations == b.store_reads.operations &&
           a.chunk_writes.bytes == b.chunk_writes.bytes &&
           a.metadata_writes.operations == b.metadata_writes.operations &&
           a.metadata_writes.bytes == b.metadata_writes.bytes && a.flushes == b.flushes;
  }
};

void fill_with_data(BlockDevice& device) {
  SeededRandom random(7);
  std::vector<std::byte> bytes(1 << 20);
  for (std::uint64_t at = 0; at < device.size_bytes(); at += bytes.size()) {
    random.fill(bytes);
    ASSERT_TRUE(device.write_at(at, bytes));
  }
}

// Every 3rd chunk, so that neighbours do not ride in one request.
std::vector<WriteAsk> batch_of_asks(std::uint32_t batch) {
  std::vector<WriteAsk> asks;
  for (std::uint32_t i = 0; i < kBatch; ++i) asks.push_back({{(batch * kBatch + i) * 3}});
  return asks;
}

void write_batches(SnapStore& store) {
  for (std::uint32_t batch = 0; batch < kBatches; ++batch) {
    auto asks = batch_of_asks(batch);
    ASSERT_TRUE(store.prepare_writes(asks));
    for (const WriteAsk& ask : asks) ASSERT_EQ(ask.outcome, WriteAsk::Outcome::kGranted);
  }
}

void create_snapshots(SnapStore& store, std::uint32_t from, std::uint32_t count,
                      SeededRandom& random) {
  for (std::uint32_t i = from; i < from + count; ++i)
    ASSERT_TRUE(store.create({.uuid = Uuid::make(random), .tag = fmt::format("{}", i)}));
}

Cost first_write_cost(std::uint32_t snapshots) {
  SeededRandom random(1);
  MemoryDevice origin_memory(256u << 20, "origin");
  MemoryDevice store_memory(256u << 20, "snapstore");
  fill_with_data(origin_memory);
  TraceDevice origin(origin_memory);
  TraceDevice snapstore(store_memory);
  const StoreDevices devices{.snapstore = snapstore, .origin = origin};
  EXPECT_TRUE(initialize_store(devices, {}, random));
  auto store = SnapStore::open(devices, {}, random);
  EXPECT_TRUE(store);
  create_snapshots(**store, 0, snapshots, random);
  EXPECT_TRUE((*store)->close_cleanly());
  origin.clear();
  snapstore.clear();
  write_batches(**store);

  Cost cost{.origin_reads = origin.total(DeviceOp::kRead),
            .store_reads = snapstore.total(DeviceOp::kRead),
            .flushes = snapstore.count(DeviceOp::kFlush),
            .origin_writes = origin.count(DeviceOp::kWrite)};
  for (const TraceEntry& entry : snapstore.entries()) {
    if (entry.op != DeviceOp::kWrite) continue;
    const bool is_chunk = entry.range.offset_bytes >= (*store)->facts().slots_offset_bytes;
    TraceTotal& total = is_chunk ? cost.chunk_writes : cost.metadata_writes;
    ++total.operations;
    total.bytes += entry.range.length_bytes;
  }
  snapstore.clear();
  origin.clear();
  write_batches(**store);  // again: granted already
  EXPECT_EQ(snapstore.entries().size(), 0u);
  EXPECT_EQ(origin.entries().size(), 0u);
  return cost;
}

TEST(StoreCost, AFirstWriteIsOneReadOneWriteAndAFewBytes) {
  constexpr std::uint64_t kChunks = std::uint64_t{kBatch} * kBatches;
  const Cost cost = first_write_cost(1);
  EXPECT_EQ(cost.origin_reads.operations, kChunks);
  EXPECT_EQ(cost.origin_reads.bytes, kChunks * kChunkBytes);
  EXPECT_LE(cost.chunk_writes.operations, kChunks);  // neighbouring slots may ride together
  EXPECT_EQ(cost.chunk_writes.bytes, kChunks * kChunkBytes);
  EXPECT_EQ(cost.flushes, kBatches);
  EXPECT_EQ(cost.store_reads.operations, 0u);
  EXPECT_EQ(cost.origin_writes, 0u);
  EXPECT_LE(cost.metadata_writes.bytes, kChunks * 64);
  std::printf("metadata: %.1f bytes a first write, %llu writes for %llu batches\n",
              static_cast<double>(cost.metadata_writes.bytes) / static_cast<double>(kChunks),
              static_cast<unsigned long long>(cost.metadata_writes.operations),
              static_cast<unsigned long long>(kBatches));
}

TEST(StoreCost, ASmallStoreHoldsThousandsOfSnapshots) {
  SeededRandom random(3);
  MemoryDevice origin(32u << 20, "origin");
  MemoryDevice snapstore(128u << 20, "snapstore");
  fill_with_data(origin);
  const StoreDevices devices{.snapstore = snapstore, .origin = origin};
  ASSERT_TRUE(initialize_store(devices, {}, random));
  auto store = SnapStore::open(devices, {}, random);
  ASSERT_TRUE(store);
  for (std::uint32_t i = 0; i < 2000; ++i) {
    create_snapshots(**store, i, 1, random);
    std::vector<WriteAsk> asks{{{i % 2048}}};
    ASSERT_TRUE((*store)->prepare_writes(asks));
    ASSERT_EQ(asks[0].outcome, WriteAsk::Outcome::kGranted);
  }
  EXPECT_TRUE((*store)->close_cleanly());
}

TEST(StoreCost, IsTheSameAt1000Snapshots) {
  EXPECT_EQ(first_write_cost(1), first_write_cost(1000));
}

TEST(StoreCost, ZeroChunksTakeNoSlot) {
  SeededRandom random(1);
  MemoryDevice origin(64u << 20, "origin");
  MemoryDevice snapstore(16u << 20, "snapstore");
  const StoreDevices devices{.snapstore = snapstore, .origin = origin};
  ASSERT_TRUE(initialize_store(devices, {}, random));
  auto store = SnapStore::open(devices, {}, random);
  ASSERT_TRUE(store);
  create_snapshots(**store, 0, 1, random);
  for (std::uint32_t batch = 0; batch < 16; ++batch) {
    auto asks = batch_of_asks(batch);
    ASSERT_TRUE((*store)->prepare_writes(asks));
  }
  EXPECT_EQ((*store)->usage().exceptions, 16u * kBatch);
  EXPECT_EQ((*store)->usage().slots_free, (*store)->facts().slots_total);
}

}  // namespace
}  // namespace ddsnap::test
