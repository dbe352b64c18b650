// Bytes as two deltas with their hashes made right, merged with a base and without: what comes out
// verifies when they do, and where both can be applied in turn and it can be applied too, it does
// the same.
//
// The first two bytes of the input say how long the first delta is, the third how; the rest is the
// deltas.
#include "ddsnap/delta/delta_reader.h"
#include "ddsnap/delta/merge_delta.h"
#include "ddsnap/delta/verify.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/input_reader.h"
#include "tests/fuzz/mended_delta.h"
#include "tests/support/delta_world.h"

namespace ddsnap::fuzz {

namespace {

constexpr std::uint64_t kMaxVolumeBytes = 1 << 20;
constexpr std::size_t kVolumeBytes = 40 << 10;

Result<DeltaHeader> header_of(const Bytes& delta) {
  MemorySource source(delta);
  auto reader = DD_TRY(DeltaReader::open(source));
  return reader.header();
}

bool is_whole(const Bytes& delta) {
  MemorySource source(delta);
  return verify_delta(source).has_value();
}

Result<Bytes> merged(const Bytes& first, const Bytes& second, BlockDevice* base) {
  MemorySource first_source(first), second_source(second);
  ByteSource* const sources[] = {&first_source, &second_source};
  SeededRandom random(1);
  WorkContext context;
  context.workers = 1;
  MemorySink sink;
  const auto made = merge_deltas(sources, base, {.codec = {.level = 1}}, random, context, sink);
  if (!made) return std::unexpected(made.error());
  must(is_whole(sink.bytes()) || !is_whole(first) || !is_whole(second),
       "what merging makes of whole deltas is one");
  return sink.bytes();
}

// The volume after the deltas in turn; nothing where one cannot be applied.
std::optional<Bytes> applied(std::span<const Bytes> deltas, const Bytes& volume,
                             const Uuid& snapshot) {
  Bytes bytes = volume;
  test::MemoryApplyState state;
  state.state_.snapshot_uuid = snapshot;
  for (const Bytes& delta : deltas) {
    const auto header = header_of(delta);
    if (!header || header->to_bytes > kMaxVolumeBytes) return std::nullopt;
    bytes.resize(header->to_bytes > header->from_bytes ? header->to_bytes : bytes.size());
    const auto target = test::device_of(bytes);
    if (!test::apply(delta, *target, state)) return std::nullopt;
    bytes = target->content().to_vector();
    bytes.resize(header->to_bytes);
  }
  return bytes;
}

}  // namespace

void run_one(std::span<const std::byte> input) {
  InputReader reader(input);
  const std::size_t first_bytes = reader.u16();
  const unsigned how = reader.u8();
  const auto first_part = reader.take(first_bytes);
  const auto second_part = reader.take_all();
  Bytes deltas[] = {{first_part.begin(), first_part.end()},
                    {second_part.begin(), second_part.end()}};
  if ((how & 1) != 0)
    for (Bytes& delta : deltas) mend_delta(delta, (how & 2) != 0);
  const auto header = header_of(deltas[0]);
  if (!header || header->from_bytes > kMaxVolumeBytes) return;
  Bytes volume = test::make_volume(3, kVolumeBytes, 4096);
  volume.resize(header->from_bytes);
  const auto base = test::device_of(volume);
  for (BlockDevice* const device : {base.get(), static_cast<test::MemoryDevice*>(nullptr)}) {
    const auto delta = merged(deltas[0], deltas[1], device);
    if (!delta) {
      must(!delta.error().text.empty(), "an error has a sentence");
      continue;
    }
    const auto in_turn = applied(deltas, volume, header->from_uuid);
    const auto at_once = applied(std::span(&*delta, 1), volume, header->from_uuid);
    if (in_turn && at_once) must(*in_turn == *at_once, "merging changes nothing");
  }
}

std::vector<Seed> make_seeds() {
  std::vector<Seed> seeds;
  constexpr DeltaMode kModes[] = {DeltaMode::kRaw, DeltaMode::kDifference, DeltaMode::kBest};
  const std::size_t sizes[][3] = {{kVolumeBytes, kVolumeBytes, kVolumeBytes},
                                  {kVolumeBytes, 20 << 10, kVolumeBytes},
                                  {kVolumeBytes, 60 << 10, 30 << 10}};
  for (std::size_t i = 0; i < std::size(sizes); ++i) {
    test::Pair pairs[2];
    pairs[0].old_bytes = test::make_volume(3, sizes[i][0], 4096);
    pairs[0].new_bytes = test::edited(pairs[0].old_bytes, i, sizes[i][1], 4096);
    pairs[1].old_bytes = pairs[0].new_bytes;
    pairs[1].new_bytes = test::edited(pairs[1].old_bytes, i + 10, sizes[i][2], 4096);
    SeededRandom random(i);
    pairs[0].from_uuid = Uuid::make(random);
    pairs[0].to_uuid = pairs[1].from_uuid = Uuid::make(random);
    pairs[1].to_uuid = Uuid::make(random);
    const CreateDeltaOptions options{.mode = kModes[i], .frame_data_bytes = 8192};
    const Bytes first = pairs[0].delta(pairs[0].list(), options);
    const Bytes second = pairs[1].delta(pairs[1].list(), options);
    Seed seed{name_of(kModes[i]), {}};
    seed.bytes = {static_cast<std::byte>(first.size()), static_cast<std::byte>(first.size() >> 8),
                  std::byte{1}};
    seed.bytes.insert(seed.bytes.end(), first.begin(), first.end());
    seed.bytes.insert(seed.bytes.end(), second.begin(), second.end());
    seeds.push_back(std::move(seed));
  }
  return seeds;
}

}  // namespace ddsnap::fuzz
