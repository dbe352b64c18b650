// Shows that old volume + delta = new volume: every mode with every codec, chunk sizes, volumes
// that grow and shrink to odd sizes, from a file and through a pipe, with windows of one frame and
// of many; full deltas likewise. Randomness comes from printed seeds.
#include <gtest/gtest.h>

#include "tests/support/delta_world.h"

namespace ddsnap::test {
namespace {

struct Case {
  const char* name;
  std::size_t old_size;
  std::size_t new_size;
  unsigned chunk_shift;
};

constexpr Case kCases[] = {
    {"same size", 400 << 10, 400 << 10, 12},
    {"short last chunk", (400 << 10) + 512, (400 << 10) + 512, 14},
    {"grows", 300 << 10, 500 << 10, 12},
    {"grows inside a chunk", (300 << 10) + 512, (300 << 10) + 1536, 14},
    {"grows from inside a chunk", (300 << 10) + 512, (500 << 10) + 1024, 14},
    {"shrinks", 500 << 10, 300 << 10, 12},
    {"shrinks into a chunk", (500 << 10) + 512, (300 << 10) + 1536, 14},
    {"large chunks", 5 << 20, (5 << 20) + 4096, 20},
    {"shrinks to nothing", 64 << 10, 0, 12},
};

constexpr const char* kCodecNames[] = {"none",  "zlib:1", "zlib:9", "lz4",
                                       "lz4:9", "zstd",   "zstd:9"};
constexpr DeltaMode kModes[] = {DeltaMode::kRaw, DeltaMode::kDifference, DeltaMode::kBest};

// The target before the apply: of the new size where the volume grew, with garbage in the new part.
Bytes target_bytes(const Pair& pair, std::uint64_t seed) {
  Bytes bytes = pair.old_bytes;
  if (pair.new_bytes.size() <= bytes.size()) return bytes;
  SeededRandom random(seed);
  const Bytes garbage = random_bytes(random, pair.new_bytes.size() - bytes.size());
  bytes.insert(bytes.end(), garbage.begin(), garbage.end());
  return bytes;
}

void expect_begins_with(const MemoryDevice& target, const Bytes& wanted) {
  Bytes found = target.content().to_vector();
  ASSERT_GE(found.size(), wanted.size());
  found.resize(wanted.size());
  EXPECT_TRUE(found == wanted);
}

void check_one(const Pair& pair, const Bytes& delta, const Bytes& target_before, bool is_pipe,
               std::size_t window_bytes) {
  const auto target = device_of(target_before, "target");
  MemoryApplyState state;
  const auto report = apply(delta, *target, state, {.window_bytes = window_bytes}, is_pipe);
  ASSERT_OK(report);
  const bool is_there_already =  // small volumes may be all zero
      std::equal(pair.new_bytes.begin(), pair.new_bytes.end(), target_before.begin());
  EXPECT_TRUE(report->outcome == ApplyOutcome::kApplied || is_there_already);
  expect_begins_with(*target, pair.new_bytes);
  if (target_before.size() > pair.new_bytes.size()) {
    const Bytes found = target->content().to_vector();
    EXPECT_TRUE(
        std::equal(found.begin() + static_cast<std::ptrdiff_t>(pair.new_bytes.size()), found.end(),
                   target_before.begin() + static_cast<std::ptrdiff_t>(pair.new_bytes.size())))
        << "what lies beyond the smaller volume was touched";
  }
  EXPECT_EQ(state.state_.snapshot_uuid, pair.to_uuid);
  EXPECT_FALSE(state.state_.window);
}

TEST(DeltaRoundTrip, EveryModeAndCodec) {
  std::uint64_t seed = 100;
  for (const Case& one : kCases) {
    const Pair pair = make_pair_of_volumes(++seed, one.old_size, one.new_size, one.chunk_shift);
    const Changelist list = pair.list();
    ASSERT_OK(list.check());
    const Bytes before = target_bytes(pair, seed);
    for (const char* codec : kCodecNames) {
      for (const DeltaMode mode : kModes) {
        SCOPED_TRACE(std::string(one.name) + ", " + codec + ", " + name_of(mode) + ", seed " +
                     std::to_string(seed));
        const CreateDeltaOptions options{.mode = mode, .codec = *parse_codec(codec)};
        const Bytes delta = pair.delta(list, options);
        check_one(pair, delta, before, false, kApplyWindowBytes);
        check_one(pair, delta, before, true, 1);
      }
    }
  }
}

// The same list, walked the other way: the delta leads from the newer volume back.
TEST(DeltaRoundTrip, InReverse) {
  std::uint64_t seed = 200;
  for (const Case& one : kCases) {
    const Pair pair = make_pair_of_volumes(++seed, one.old_size, one.new_size, one.chunk_shift);
    const Changelist list = pair.list();
    Pair back = pair;
    std::swap(back.old_bytes, back.new_bytes);
    std::swap(back.from_uuid, back.to_uuid);
    // Back from nothing is a full delta, which wants an empty target.
    const bool is_full = back.old_bytes.empty();
    const Bytes before = is_full ? Bytes(back.new_bytes.size()) : target_bytes(back, seed);
    for (const DeltaMode mode : kModes) {
      SCOPED_TRACE(std::string(one.name) + ", " + name_of(mode) + ", seed " + std::to_string(seed));
      const Bytes delta = pair.delta(list, {.mode = mode, .is_reverse = true});
      check_one(back, delta, before, false, kApplyWindowBytes);
    }
  }
}

TEST(DeltaRoundTrip, RawWithoutTheOldDevice) {
  const Pair pair = make_pair_of_volumes(21, 256 << 10, 384 << 10);
  const Bytes delta = pair.delta(pair.list(), {.mode = DeltaMode::kRaw}, 7, false);
  check_one(pair, delta, target_bytes(pair, 1), false, kApplyWindowBytes);
}

TEST(DeltaRoundTrip, SmallFramesAndManySeeds) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    SeededRandom random(seed);
    const std::size_t old_size = (1 + random.below(120)) * 512;
    const std::size_t new_size = random.below(2) ? old_size : (1 + random.below(120)) * 512;
    const Pair pair = make_pair_of_volumes(seed, old_size, new_size);
    const CreateDeltaOptions options{.mode = kModes[seed % 3], .frame_data_bytes = 8192};
    const Bytes delta = pair.delta(pair.list(), options);
    check_one(pair, delta, target_bytes(pair, seed), seed % 2 == 0, 8192);
    const Bytes full = pair.full_delta(options);
    check_one(pair, full, Bytes(pair.new_bytes.size()), seed % 2 == 0, 8192);
  }
}

TEST(DeltaRoundTrip, VolumeOfFourKBlocks) {
  const Pair pair = make_pair_of_volumes(5, (64 << 10) + 512, (96 << 10) + 512, 14);
  const Bytes delta = pair.delta(pair.list());
  MemoryDevice target({.size_bytes = pair.new_bytes.size(), .block_bytes = 4096},
                      cow(target_bytes(pair, 3)));
  MemoryApplyState state;
  ASSERT_OK(apply(delta, target, state));
  EXPECT_TRUE(target.content().to_vector() == pair.new_bytes);
}

TEST(DeltaRoundTrip, ShrunkVolumeThatEndsInsideABlockOfTheTarget) {
  const Pair pair = make_pair_of_volumes(6, 128 << 10, (64 << 10) + 512, 14);
  const Bytes delta = pair.delta(pair.list());
  MemoryDevice target({.size_bytes = pair.old_bytes.size(), .block_bytes = 4096},
                      cow(pair.old_bytes));
  MemoryApplyState state;
  ASSERT_OK(apply(delta, target, state));
  const Bytes found = target.content().to_vector();
  EXPECT_TRUE(std::equal(pair.new_bytes.begin(), pair.new_bytes.end(), found.begin()));
  EXPECT_TRUE(std::equal(found.begin() + (64 << 10) + 512, found.end(),
                         pair.old_bytes.begin() + (64 << 10) + 512));
}

TEST(DeltaRoundTrip, DifferencesAreSmall) {
  Pair pair = make_pair_of_volumes(9, 1 << 20, 1 << 20, 14);
  SeededRandom random(9);
  random.fill(pair.old_bytes);
  pair.new_bytes = pair.old_bytes;
  for (std::size_t at = 1000; at < pair.new_bytes.size(); at += 1 << 14)
    random.fill(std::span(pair.new_bytes).subspan(at, 100));
  const Bytes raw = pair.delta(pair.list(), {.mode = DeltaMode::kRaw});
  const Bytes difference = pair.delta(pair.list(), {.mode = DeltaMode::kDifference});
  const Bytes best = pair.delta(pair.list(), {.mode = DeltaMode::kBest});
  EXPECT_LT(difference.size() * 20, raw.size());
  EXPECT_LE(best.size(), difference.size());
}

}  // namespace
}  // namespace ddsnap::test
