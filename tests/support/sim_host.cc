#include "tests/support/sim_host.h"

namespace ddsnap::test {

SimShape SimShape::of_seed(std::uint64_t seed) {
  SeededRandom random(seed ^ 0x73696d);
  const auto between = [&](std::uint64_t low, std::uint64_t high) {
    return low + random.below(high - low + 1);
  };
  const auto one_in = [&](std::uint64_t count) { return random.below(count) == 0; };
  SimShape shape;
  const std::uint64_t chunks = between(24, 96);
  shape.volume_bytes = chunks * kSimChunkBytes - kSimSectorBytes * random.below(kSimChunkSectors);
  shape.is_tight = one_in(3);
  const std::uint64_t slots =
      shape.is_tight ? between(chunks / 2, chunks * 3 / 2) : chunks * between(12, 16);
  // Superblocks, the smallest journal, and a table region of 64 to 128 blocks.
  constexpr std::uint64_t kMetadataBytes = (64u << 10) + 2 * (128u << 10) + 65 * 4096;
  if (one_in(3)) shape.metadata_bytes = kMetadataBytes + between(0, 64) * 4096;
  shape.snapstore_bytes =
      (shape.metadata_bytes != 0 ? 64u << 10 : kMetadataBytes) + slots * kSimChunkBytes;
  shape.spill_entries = between(8, 60);
  shape.origin_targets = between(1, 3);
  shape.snapshot_targets = between(1, 4);
  shape.boundaries_at_most = between(2, 10);
  shape.has_io_errors = one_in(4);
  shape.has_long_stalls = one_in(4);
  if (!one_in(8)) shape.power_cut_mean = between(50, 1200);
  if (!one_in(3)) shape.server_kill_mean = between(60, 1500);
  if (!one_in(4)) shape.target_kill_mean_ns = between(20, 800) * kSimMs;
  if (!one_in(4)) shape.line_cut_mean_ns = between(5, 300) * kSimMs;
  if (!one_in(3)) shape.stall_mean_ns = between(50, 500) * kSimMs;
  shape.late_ns = one_in(4) ? 2 * kSimSecond : between(1, 50) * kSimMs;
  shape.zero_percent = static_cast<unsigned>(random.below(30));
  if (one_in(3)) shape.strangers = between(1, 2);
  return shape;
}

SimHost::SimHost(std::uint64_t seed, bool is_verbose)
    : shape(SimShape::of_seed(seed)),
      random(seed),
      truth(contents, shape.volume_bytes),
      network(events, random, tally),
      is_verbose_(is_verbose) {
  network.set_delays(200'000, shape.late_ns);
}

void SimHost::note_target_operation(SimPoint point, std::uint64_t writes) {
  SimTally::Point& at = tally.at(point);
  at.writes += writes;
  at.flushes += writes == 0 ? 1 : 0;
  ++tally.device_operations;
  if (world->crashed()) ++at.power_cuts;
}

void SimHost::write_origin(std::uint32_t first_sector, std::uint32_t count, ContentId content) {
  std::vector<std::byte> bytes(std::size_t{count} * kSimSectorBytes);
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto sector = contents.bytes_of(content, first_sector + i);
    std::copy(sector.begin(), sector.end(), bytes.begin() + i * kSimSectorBytes);
    const std::uint32_t chunk = (first_sector + i) / kSimChunkSectors;
    if (i == 0 || (first_sector + i) % kSimChunkSectors == 0) check_landing({chunk});
    truth.origin_written(first_sector + i, content);
  }
  static_cast<void>(origin().write_at(std::uint64_t{first_sector} * kSimSectorBytes, bytes));
  note_target_operation(SimPoint::kTargetWrite, 1);
}

void SimHost::flush_origin() {
  if (origin().flush()) truth.origin_flushed();
  note_target_operation(SimPoint::kTargetFlush, 0);
}

void SimHost::flush_snapstore() {
  if (snapstore().flush()) truth.snapstore_flushed();
  note_target_operation(SimPoint::kTargetFlush, 0);
}

std::uint64_t SimHost::pause_ns(std::uint64_t at_most_ns) {
  const std::uint64_t shift = random.below(12);
  return 1 + random.below((at_most_ns >> shift) + 1);
}

void SimHost::found(std::string what) {
  if (!wrong.empty()) return;
  wrong = fmt::format("at {:.6f} s: {}", static_cast<double>(events.now_ns()) / 1e9, what);
  trace("FOUND {}", what);
}

void SimHost::print_trace(const std::string& line) const {
  std::printf("%12.6f  %s\n", static_cast<double>(events.now_ns()) / 1e9, line.c_str());
}

}  // namespace ddsnap::test
