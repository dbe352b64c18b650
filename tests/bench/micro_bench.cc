// What the smallest parts cost, each alone and in memory: change maps, a table's lookup, a journal
// record, a frame of a delta there and back, hashes. Beside them a copy of the same bytes, the
// least that anything which touches them costs.
#include <benchmark/benchmark.h>

#include <cstring>
#include <roaring/roaring.hh>
#include <vector>

#include "ddsnap/base/hash.h"
#include "ddsnap/base/random.h"
#include "ddsnap/delta/codec.h"
#include "server/store/journal_record.h"
#include "server/store/table.h"

namespace ddsnap {
namespace {

constexpr std::uint32_t kVolumeChunks = 1 << 26;  // 1 TiB of 16 KiB chunks
constexpr std::uint32_t kMany = 1'000'000;
constexpr std::size_t kChunkBytes = 16 << 10;
constexpr std::size_t kFrameBytes = 256 << 10;

std::vector<std::uint32_t> scattered_chunks(std::uint64_t seed) {
  SeededRandom random(seed);
  std::vector<std::uint32_t> chunks(kMany);
  for (std::uint32_t& chunk : chunks)
    chunk = static_cast<std::uint32_t>(random.below(kVolumeChunks));
  return chunks;
}

Roaring change_map(std::uint64_t seed) {
  Roaring map;
  for (const std::uint32_t chunk : scattered_chunks(seed)) map.add(chunk);
  map.runOptimize();
  return map;
}

// Half of it repeats, as file systems do.
std::vector<std::byte> content(std::size_t size_bytes) {
  SeededRandom random(5);
  std::vector<std::byte> bytes(size_bytes);
  random.fill(bytes);
  for (std::size_t at = 4096; at + 4096 <= bytes.size(); at += 8192)
    std::memcpy(&bytes[at], &bytes[at % 65536], 4096);
  return bytes;
}

void change_map_add(benchmark::State& state) {
  const auto chunks = scattered_chunks(1);
  for (auto _ : state) {
    Roaring map;
    for (const std::uint32_t chunk : chunks) map.add(chunk);
    benchmark::DoNotOptimize(map);
  }
  state.SetItemsProcessed(state.iterations() * kMany);
}
BENCHMARK(change_map_add)->Unit(benchmark::kMillisecond);

void change_map_has(benchmark::State& state) {
  const Roaring map = change_map(1);
  const auto asked = scattered_chunks(2);
  for (auto _ : state) {
    std::uint64_t found = 0;
    for (const std::uint32_t chunk : asked) found += map.contains(chunk);
    benchmark::DoNotOptimize(found);
  }
  state.SetItemsProcessed(state.iterations() * kMany);
}
BENCHMARK(change_map_has)->Unit(benchmark::kMillisecond);

// A changelist between snapshots eight apart is the union of eight maps.
void change_map_union(benchmark::State& state) {
  std::vector<Roaring> maps;
  for (std::uint64_t seed = 1; seed <= 8; ++seed) maps.push_back(change_map(seed));
  for (auto _ : state) {
    Roaring all;
    for (const Roaring& map : maps) all |= map;
    benchmark::DoNotOptimize(all.cardinality());
  }
}
BENCHMARK(change_map_union)->Unit(benchmark::kMillisecond);

void table_lookup(benchmark::State& state) {
  Table table;
  const auto chunks = scattered_chunks(1);
  for (std::uint32_t i = 0; i < kMany; ++i) {
    const ChunkNr chunk{chunks[i]};
    if (table.has(chunk)) continue;
    ChunkException entry;
    entry.chunk = chunk;
    entry.exception.slot = SlotNr{i};
    table.insert(entry);
  }
  const auto asked = scattered_chunks(2);
  for (auto _ : state) {
    std::uint64_t found = 0;
    for (const std::uint32_t chunk : asked)
      if (table.has(ChunkNr{chunk})) found += table.recent.contains(chunk);
    benchmark::DoNotOptimize(found);
  }
  state.SetItemsProcessed(state.iterations() * kMany);
}
BENCHMARK(table_lookup)->Unit(benchmark::kMillisecond);

// A batch of 64 first writes, as one record.
void journal_encode(benchmark::State& state) {
  constexpr std::size_t kOperationsBytes = 64 * 24;
  const auto operations = content(kOperationsBytes);
  std::vector<std::byte> into(4096);
  const Uuid store{};
  JournalPosition after;
  for (auto _ : state) {
    after.last_checksum = encode_record(store, after, false, operations, 2048, into);
    ++after.last_number;
    benchmark::DoNotOptimize(into.data());
  }
  state.SetItemsProcessed(state.iterations() * 64);
}
BENCHMARK(journal_encode);

void frame_encode(benchmark::State& state) {
  const auto frame = content(kFrameBytes);
  std::vector<std::byte> into(kFrameBytes);
  Compressor compressor({.codec = Codec::kZstd, .level = static_cast<int>(state.range(0))});
  for (auto _ : state) {
    const auto length = compressor.compress_into(frame, into);
    if (!length || *length == 0) state.SkipWithError("it does not get smaller");
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kFrameBytes));
}
BENCHMARK(frame_encode)->Arg(1)->Arg(3);

void frame_decode(benchmark::State& state) {
  const auto frame = content(kFrameBytes);
  Compressor compressor({.codec = Codec::kZstd, .level = 3});
  const auto packed = compressor.compress(frame);
  if (!packed || packed->empty()) return state.SkipWithError("it does not get smaller");
  std::vector<std::byte> into(kFrameBytes);
  Decompressor decompressor;
  for (auto _ : state) {
    const Status done = decompressor.decompress(Encoding::kZstd, *packed, {}, into);
    if (!done) state.SkipWithError(done.error().text.c_str());
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kFrameBytes));
}
BENCHMARK(frame_decode);

void copy_chunk(benchmark::State& state) {
  const auto chunk = content(kChunkBytes);
  std::vector<std::byte> into(kChunkBytes);
  for (auto _ : state) {
    std::memcpy(into.data(), chunk.data(), chunk.size());
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kChunkBytes));
}
BENCHMARK(copy_chunk);

void hash_of_chunk(benchmark::State& state) {
  const auto chunk = content(kChunkBytes);
  for (auto _ : state) benchmark::DoNotOptimize(hash_chunk(chunk));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kChunkBytes));
}
BENCHMARK(hash_of_chunk);

void hash_of_frame(benchmark::State& state) {
  const auto frame = content(kFrameBytes);
  for (auto _ : state) benchmark::DoNotOptimize(hash128_of(frame));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kFrameBytes));
}
BENCHMARK(hash_of_frame);

void is_it_zero(benchmark::State& state) {
  const std::vector<std::byte> chunk(kChunkBytes);
  for (auto _ : state) benchmark::DoNotOptimize(is_all_zero(chunk));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kChunkBytes));
}
BENCHMARK(is_it_zero);

}  // namespace
}  // namespace ddsnap

BENCHMARK_MAIN();
