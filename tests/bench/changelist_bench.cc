// What a changelist of a million chunks, scattered over a tebibyte, costs to write and to read as a
// file, and how large it is (goals: 100 ms, 2 MB). Chunks of 16 KiB; in memory, so that no disk
// counts.
#include <benchmark/benchmark.h>

#include "ddsnap/base/random.h"
#include "ddsnap/delta/byte_stream.h"
#include "ddsnap/delta/changelist_file.h"

namespace ddsnap {
namespace {

Changelist scattered() {
  constexpr std::uint64_t kChunks = 1'000'000;
  SeededRandom random(2008);
  Changelist list;
  list.from_bytes = list.to_bytes = std::uint64_t{1} << 40;
  const std::uint64_t step = list.to_geometry().chunk_count() / kChunks;
  for (std::uint64_t i = 0; i < kChunks; ++i)
    list.append(ChunkRange{{static_cast<std::uint32_t>(i * step + random.below(step))}, 1});
  return list;
}

void write_it(benchmark::State& state) {
  const Changelist list = scattered();
  for (auto _ : state) {
    MemorySink sink;
    const Status status = write_changelist(sink, list);
    if (!status) state.SkipWithError(status.error().text.c_str());
    state.counters["bytes"] = static_cast<double>(sink.bytes().size());
  }
}
BENCHMARK(write_it)->Unit(benchmark::kMillisecond);

void read_it(benchmark::State& state) {
  MemorySink sink;
  const Status status = write_changelist(sink, scattered());
  if (!status) state.SkipWithError(status.error().text.c_str());
  for (auto _ : state) {
    MemorySource source(sink.bytes());
    auto list = read_changelist(source);
    if (!list) state.SkipWithError(list.error().text.c_str());
    benchmark::DoNotOptimize(list);
  }
}
BENCHMARK(read_it)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace ddsnap

BENCHMARK_MAIN();
