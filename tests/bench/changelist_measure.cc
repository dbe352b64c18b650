// What a changelist of a million chunks, scattered over a tebibyte, costs to write and to read as a
// file, and how large it is (goals: 100 ms, 2 MB). Chunks of 16 KiB; in memory, so that no disk
// counts. Run by large_volume_bench.py.
#include "ddsnap/base/random.h"
#include "ddsnap/delta/byte_stream.h"
#include "ddsnap/delta/changelist_file.h"
#include "tests/support/made_up_device.h"

namespace ddsnap::test {
namespace {

constexpr int kRounds = 9;
constexpr std::uint64_t kChunks = 1'000'000;

Changelist scattered() {
  SeededRandom random(2008);
  Changelist list;
  list.from_bytes = list.to_bytes = std::uint64_t{1} << 40;
  const std::uint64_t step = list.to_geometry().chunk_count() / kChunks;
  for (std::uint64_t i = 0; i < kChunks; ++i)
    list.append(ChunkRange{{static_cast<std::uint32_t>(i * step + random.below(step))}, 1});
  return list;
}

void run() {
  const Changelist list = scattered();
  std::vector<double> write_ms, read_ms, bytes;
  for (int round = 0; round < kRounds; ++round) {
    MemorySink sink;
    auto begin = std::chrono::steady_clock::now();
    must(write_changelist(sink, list));
    write_ms.push_back(seconds_since(begin) * 1000);
    bytes.push_back(static_cast<double>(sink.bytes().size()));
    MemorySource source(sink.bytes());
    begin = std::chrono::steady_clock::now();
    (void)must(read_changelist(source));
    read_ms.push_back(seconds_since(begin) * 1000);
  }
  const std::string what = "a changelist of a million scattered chunks: ";
  print_measure({.what = what + "to write", .unit = "ms", .ours = write_ms, .limit = 100});
  print_measure({.what = what + "to read", .unit = "ms", .ours = read_ms, .limit = 100});
  print_measure({.what = what + "size", .unit = "bytes", .ours = {bytes.front()}, .limit = 2e6});
}

}  // namespace
}  // namespace ddsnap::test

int main() {
  ddsnap::test::run();
}
