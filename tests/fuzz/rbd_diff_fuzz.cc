// Bytes as a stream of Ceph's, imported with a base and without: what is accepted is a delta that
// verifies, fits the base, and exported and imported again does to the base what it did.
//
// The first byte of the input says how; the rest is the stream.
#include "ddsnap/delta/export_rbd.h"
#include "ddsnap/delta/import_rbd.h"
#include "ddsnap/delta/verify.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/support/delta_world.h"

namespace ddsnap::fuzz {

namespace {

constexpr std::uint64_t kMaxImageBytes = 256 << 10;
constexpr std::size_t kBaseBytes = 24 << 10;

WorkContext one_worker() {
  WorkContext context;
  context.workers = 1;
  return context;
}

Result<Bytes> imported(const Bytes& stream, BlockDevice* base, unsigned chunk_shift) {
  MemorySource source(stream);
  SeededRandom random(1);
  WorkContext context = one_worker();
  MemorySink sink;
  const auto made = import_rbd(source, base, {.chunk_shift = chunk_shift}, random, context, sink);
  if (!made) return std::unexpected(made.error());
  MemorySource delta(sink.bytes());
  must(verify_delta(delta).has_value(), "what import makes is a whole delta");
  return sink.bytes();
}

Bytes exported(const Bytes& delta, BlockDevice* base, RbdVersion version) {
  MemorySource source(delta);
  WorkContext context = one_worker();
  MemorySink sink;
  must(export_rbd(source, base, {.version = version, .from_name = "from"}, context, sink)
           .has_value(),
       "what was imported can be exported");
  return sink.bytes();
}

Bytes applied(const Bytes& delta, const Bytes& base, std::uint64_t image_bytes) {
  Bytes before = base;
  before.resize(std::max<std::size_t>(base.size(), image_bytes));
  const auto target = test::device_of(before);
  test::MemoryApplyState state;
  must(test::apply(delta, *target, state).has_value(), "what import made of a base fits it");
  Bytes after = target->content().to_vector();
  after.resize(image_bytes);
  return after;
}

}  // namespace

void run_one(std::span<const std::byte> input) {
  if (input.empty()) return;
  const auto how = std::to_integer<unsigned>(input[0]);
  const Bytes stream(input.begin() + 1, input.end());
  MemorySource source(stream);
  const auto reader = RbdReader::open(source);
  if (!reader || reader->metadata().size_bytes > kMaxImageBytes) return;
  const std::uint64_t image_bytes = reader->metadata().size_bytes;
  const Bytes base =
      reader->metadata().from_snap ? test::make_volume(3, kBaseBytes, 4096) : Bytes{};
  const auto device = test::device_of(base);

  (void)imported(stream, nullptr, 12 + how % 3);
  const auto delta = imported(stream, device.get(), 12 + how % 3);
  if (!delta) return must(!delta.error().text.empty(), "an error has a sentence");
  const Bytes wanted = applied(*delta, base, image_bytes);
  const Bytes again =
      exported(*delta, device.get(), (how & 8) != 0 ? RbdVersion::kV1 : RbdVersion::kV2);
  const auto back = imported(again, device.get(), 12);
  must(back.has_value() && applied(*back, base, image_bytes) == wanted,
       "there and back is the same");
}

std::vector<Seed> make_seeds() {
  std::vector<Seed> seeds;
  for (const char* golden : {"rbd_diff_v1.hex", "rbd_diff_v2.hex"})
    for (Seed& seed : golden_seeds(golden)) {
      seed.bytes.insert(seed.bytes.begin(), std::byte{0});
      seeds.push_back(std::move(seed));
    }
  return seeds;
}

}  // namespace ddsnap::fuzz
