// Shows that merged deltas do what the deltas do in turn: thousands of random chains over volumes
// that grow, shrink and stay, in every mode, with hashes that are not known and chunks that did not
// change, against the bytes of each volume; and that what does not follow on each other, what a
// difference lacks, pipes and damage are refused. Randomness comes from printed seeds.
#include "ddsnap/delta/merge_delta.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "ddsnap/delta/delta_reader.h"
#include "ddsnap/delta/verify.h"
#include "tests/support/delta_world.h"

namespace ddsnap::test {
namespace {

constexpr std::size_t kChunkBytes = 4096;
#ifdef DDSNAP_SANITIZED
constexpr std::uint64_t kRounds = 40;
constexpr std::uint64_t kLongRounds = 4;
#else
constexpr std::uint64_t kRounds = 250;
constexpr std::uint64_t kLongRounds = 15;
#endif

// Volumes one after the other, and a delta between each and the next.
struct Chain {
  std::vector<Bytes> volumes;
  std::vector<Uuid> uuids;
  std::vector<Bytes> deltas;
};

struct Shape {
  std::size_t most_chunks = 24;
  std::size_t most_deltas = 4;
  bool only_raw = false;
};

std::size_t random_size(SeededRandom& random, std::size_t most_chunks) {
  return random.below(most_chunks * 8 + 1) * 512;
}

Bytes next_volume(const Bytes& volume, SeededRandom& random, std::size_t most_chunks) {
  const std::size_t size = random.below(3) == 0 ? random_size(random, most_chunks) : volume.size();
  Bytes next = edited(volume, random.next_u64(), size, kChunkBytes);
  // Now and then something comes back that was there before.
  if (random.below(4) == 0 && !next.empty())
    std::copy_n(volume.begin(), std::min(volume.size(), next.size()) / 2, next.begin());
  return next;
}

// Lists some chunks more than differ, and forgets some hashes.
Changelist loosened(const Changelist& list, SeededRandom& random) {
  Changelist loose = list;
  loose.ranges.clear();
  loose.before.clear();
  ChangelistCursor cursor(list);
  auto item = cursor.next();
  const std::uint64_t chunks =
      std::max(list.from_geometry().chunk_count(), list.to_geometry().chunk_count());
  for (std::uint32_t chunk = 0; chunk < chunks; ++chunk) {
    const bool is_listed = item && item->chunk.value == chunk;
    if (is_listed || random.below(8) == 0)
      loose.append({chunk}, is_listed && random.below(4) ? item->before : std::nullopt);
    if (is_listed) item = cursor.next();
  }
  return loose;
}

Bytes make_delta(const Pair& pair, SeededRandom& random, bool only_raw) {
  constexpr DeltaMode kModes[] = {DeltaMode::kRaw, DeltaMode::kDifference, DeltaMode::kBest};
  constexpr const char* kCodecs[] = {"none", "lz4", "zstd:1"};
  const CreateDeltaOptions options{
      .mode = only_raw ? DeltaMode::kRaw : kModes[random.below(3)],
      .codec = *parse_codec(kCodecs[random.below(3)]),
      .frame_data_bytes = static_cast<std::uint32_t>(kChunkBytes << random.below(4))};
  const bool has_from = options.mode != DeltaMode::kRaw || random.below(2) != 0;
  const Changelist list = pair.list();
  return pair.delta(random.below(2) ? loosened(list, random) : list, options, random.next_u64(),
                    has_from);
}

Chain make_chain(std::uint64_t seed, const Shape& shape) {
  SeededRandom random(seed);
  Chain chain;
  const bool is_full = random.below(6) == 0;
  chain.volumes.push_back(
      is_full
          ? Bytes{}
          : make_volume(random.next_u64(), random_size(random, shape.most_chunks), kChunkBytes));
  chain.uuids.push_back(is_full ? Uuid{} : Uuid::make(random));
  const std::size_t count = 2 + random.below(shape.most_deltas - 1);
  for (std::size_t i = 0; i < count; ++i) {
    Pair pair;
    pair.old_bytes = chain.volumes.back();
    pair.new_bytes = next_volume(pair.old_bytes, random, shape.most_chunks);
    pair.from_uuid = pair.old_bytes.empty() ? Uuid{} : chain.uuids.back();
    pair.to_uuid = Uuid::make(random);
    chain.deltas.push_back(make_delta(pair, random, shape.only_raw));
    chain.volumes.push_back(pair.new_bytes);
    chain.uuids.push_back(pair.to_uuid);
  }
  return chain;
}

struct Merged {
  Result<MergeReport> report;
  Bytes bytes;
};

Merged merge(const std::vector<Bytes>& deltas, const Bytes* base, unsigned workers = 1) {
  std::vector<MemorySource> sources(deltas.begin(), deltas.end());
  std::vector<ByteSource*> borrowed;
  for (MemorySource& source : sources) borrowed.push_back(&source);
  const auto device = base ? device_of(*base, "base") : nullptr;
  SeededRandom random(99);
  WorkContext context;
  context.workers = workers;
  MemorySink sink;
  auto report = merge_deltas(borrowed, device.get(), {}, random, context, sink);
  return {std::move(report), sink.bytes()};
}

bool has_differences(const Bytes& delta) {
  MemorySource source(delta);
  const auto facts = verify_delta(source);
  EXPECT_TRUE(facts) << facts.error().text;
  return facts->frames_by_encoding[static_cast<std::size_t>(Encoding::kZstdDifference)] > 0;
}

// Target before an apply: as large as the newer volume when that is larger, with garbage there.
Bytes target_for(const Bytes& old_bytes, const Bytes& new_bytes, std::uint64_t seed) {
  Bytes target = old_bytes;
  if (new_bytes.size() <= target.size()) return target;
  SeededRandom random(seed);
  const Bytes garbage = random_bytes(random, new_bytes.size() - target.size());
  target.insert(target.end(), garbage.begin(), garbage.end());
  return target;
}

void expect_applies(const Bytes& delta, const Chain& chain, std::uint64_t seed) {
  const Bytes& first = chain.volumes.front();
  const Bytes& last = chain.volumes.back();
  const auto target = device_of(first.empty() ? Bytes(last.size()) : target_for(first, last, seed));
  MemoryApplyState state;
  state.state_.snapshot_uuid = chain.uuids.front();
  ASSERT_OK(apply(delta, *target, state));
  Bytes found = target->content().to_vector();
  found.resize(last.size());
  EXPECT_TRUE(found == last);
  EXPECT_EQ(state.state_.snapshot_uuid, chain.uuids.back());
}

// Whether the target that the first delta refuses is refused by the merged one too: one byte of a
// chunk that the first delta knows is wrong.
void expect_refuses_wrong_base(const Bytes& delta, const Chain& chain) {
  MemorySource source(delta);
  auto reader = DeltaReader::open(source);
  ASSERT_OK(reader);
  Bytes target = target_for(chain.volumes.front(), chain.volumes.back(), 1);
  bool is_wrong = false;
  for (auto frame = reader->next(); frame && *frame && !is_wrong; frame = reader->next())
    for (const FrameEntry& entry : (*frame)->entries) {
      if (entry.before_kind != BeforeKind::kKnown) continue;
      target[entry.first.value * kChunkBytes] ^= std::byte{0x55};
      is_wrong = true;
      break;
    }
  if (!is_wrong) return;
  const auto device = device_of(target);
  MemoryApplyState state;
  state.state_.snapshot_uuid = chain.uuids.front();
  EXPECT_FALSE(apply(delta, *device, state));
  EXPECT_TRUE(device->content().to_vector() == target) << "it was written to";
}

void check_chain(std::uint64_t seed, const Shape& shape) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  const Chain chain = make_chain(seed, shape);
  const Merged with_base = merge(chain.deltas, &chain.volumes.front());
  ASSERT_OK(with_base.report);
  expect_applies(with_base.bytes, chain, seed);
  const Merged alone = merge(chain.deltas, nullptr, 1 + seed % 3);
  if (!alone.report) {
    EXPECT_EQ(alone.report.error().code, ErrorCode::kUsage) << alone.report.error().text;
    EXPECT_NE(alone.report.error().text.find("--base"), std::string::npos);
    EXPECT_TRUE(std::any_of(chain.deltas.begin(), chain.deltas.end(), has_differences));
    return;
  }
  expect_applies(alone.bytes, chain, seed);
  expect_refuses_wrong_base(alone.bytes, chain);
}

TEST(MergeDelta, RandomChains) {
  for (std::uint64_t seed = 1; seed <= kRounds; ++seed) check_chain(seed, {});
}

TEST(MergeDelta, RandomRawChainsNeedNoBase) {
  for (std::uint64_t seed = 10'001; seed <= 10'000 + kRounds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Chain chain = make_chain(seed, {.only_raw = true});
    const Merged merged = merge(chain.deltas, nullptr);
    ASSERT_OK(merged.report);
    EXPECT_EQ(merged.report->header.mode, DeltaMode::kRaw);
    expect_applies(merged.bytes, chain, seed);
  }
}

TEST(MergeDelta, LongChains) {
  for (std::uint64_t seed = 20'001; seed <= 20'000 + kLongRounds; ++seed)
    check_chain(seed, {.most_chunks = 60, .most_deltas = 20});
}

// Merging in two steps is merging at once, in effect.
TEST(MergeDelta, GroupsInAnyWay) {
  for (std::uint64_t seed = 30'001; seed <= 30'150; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Chain chain = make_chain(seed, {.most_deltas = 4, .only_raw = true});
    if (chain.deltas.size() < 3) continue;
    const std::vector<Bytes> head(chain.deltas.begin(), chain.deltas.begin() + 2);
    std::vector<Bytes> rest(chain.deltas.begin() + 1, chain.deltas.end());
    const Merged first = merge(head, nullptr);
    ASSERT_OK(first.report);
    rest.front() = first.bytes;
    const Merged left = merge(rest, nullptr);
    ASSERT_OK(left.report);
    expect_applies(left.bytes, chain, seed);
  }
}

Chain two_large_deltas(bool are_apart) {
  Chain chain;
  SeededRandom random(5);
  chain.volumes.push_back(random_bytes(random, 4 << 20));
  chain.uuids.push_back(Uuid::make(random));
  for (int i = 0; i < 2; ++i) {
    Pair pair;
    pair.old_bytes = pair.new_bytes = chain.volumes.back();
    pair.from_uuid = chain.uuids.back();
    pair.to_uuid = Uuid::make(random);
    const std::size_t start = are_apart && i == 1 ? 2 << 20 : 0;
    for (std::size_t at = start; at < start + (1 << 20); at += kChunkBytes)
      random.fill(std::span(pair.new_bytes).subspan(at + 100, 20));
    chain.deltas.push_back(pair.delta(pair.list(), {.mode = DeltaMode::kDifference}));
    chain.volumes.push_back(pair.new_bytes);
    chain.uuids.push_back(pair.to_uuid);
  }
  return chain;
}

TEST(MergeDelta, FramesThatConcernOneDeltaGoThroughAsTheyAre) {
  const Chain chain = two_large_deltas(true);
  const Merged merged = merge(chain.deltas, nullptr, 2);
  ASSERT_OK(merged.report);
  EXPECT_EQ(merged.report->frames_as_they_were, 8u);
  EXPECT_EQ(merged.report->totals.frames, 8u);
  expect_applies(merged.bytes, chain, 1);
}

TEST(MergeDelta, DifferencesToDifferencesAreDecodedAgainstTheBase) {
  const Chain chain = two_large_deltas(false);
  const Merged alone = merge(chain.deltas, nullptr);
  ASSERT_FALSE(alone.report);
  EXPECT_NE(alone.report.error().text.find("--base"), std::string::npos);
  const Merged merged = merge(chain.deltas, &chain.volumes.front());
  ASSERT_OK(merged.report);
  expect_applies(merged.bytes, chain, 1);
  EXPECT_LT(merged.bytes.size(), chain.deltas[0].size() * 3) << "differences to the base are small";
}

// The second delta's differences are to content that the first one brings in full.
TEST(MergeDelta, DifferencesToRawContentNeedNoBase) {
  Chain chain = two_large_deltas(false);
  Pair pair;
  pair.old_bytes = chain.volumes[0];
  pair.new_bytes = chain.volumes[1];
  pair.from_uuid = chain.uuids[0];
  pair.to_uuid = chain.uuids[1];
  chain.deltas[0] = pair.delta(pair.list(), {.mode = DeltaMode::kRaw});
  ASSERT_TRUE(has_differences(chain.deltas[1]));
  const Merged merged = merge(chain.deltas, nullptr);
  ASSERT_OK(merged.report);
  expect_applies(merged.bytes, chain, 1);
}

// What a shrink cut off and a later delta brings back is new to that one, but not to both together.
TEST(MergeDelta, WhatIsCutOffAndComesBackIsUnknown) {
  SeededRandom random(8);
  Chain chain;
  chain.volumes.push_back(random_bytes(random, 16 * kChunkBytes));
  chain.volumes.push_back(chain.volumes[0]);
  chain.volumes[1].resize(8 * kChunkBytes);
  chain.volumes.push_back(chain.volumes[1]);
  chain.volumes[2].resize(16 * kChunkBytes);
  random.fill(std::span(chain.volumes[2]).subspan(7 * kChunkBytes + 50, 20));
  random.fill(std::span(chain.volumes[2]).subspan(8 * kChunkBytes, 20));
  for (int i = 0; i < 3; ++i) chain.uuids.push_back(Uuid::make(random));
  for (int i = 0; i < 2; ++i) {
    Pair pair;
    pair.old_bytes = chain.volumes[i];
    pair.new_bytes = chain.volumes[i + 1];
    pair.from_uuid = chain.uuids[i];
    pair.to_uuid = chain.uuids[i + 1];
    chain.deltas.push_back(pair.delta(pair.list(), {.mode = DeltaMode::kDifference}));
  }
  ASSERT_TRUE(has_differences(chain.deltas[1]));
  const Merged merged = merge(chain.deltas, &chain.volumes.front());
  ASSERT_OK(merged.report);
  expect_applies(merged.bytes, chain, 1);
  MemorySource source(merged.bytes);
  EXPECT_EQ(verify_delta(source)->unknown_chunks, 8u);
}

TEST(MergeDelta, AWrongBaseIsRefused) {
  const Chain chain = two_large_deltas(false);
  Bytes base = chain.volumes.front();
  base[200] ^= std::byte{1};
  const Merged wrong = merge(chain.deltas, &base);
  ASSERT_FALSE(wrong.report);
  EXPECT_EQ(wrong.report.error().code, ErrorCode::kFailed);
  base.resize(base.size() - 512);
  EXPECT_EQ(merge(chain.deltas, &base).report.error().code, ErrorCode::kUsage);
}

TEST(MergeDelta, WhatDoesNotFollowIsRefused) {
  const Chain chain = make_chain(7, {.only_raw = true});
  ASSERT_GE(chain.deltas.size(), 2u);
  EXPECT_EQ(merge({chain.deltas[1], chain.deltas[0]}, nullptr).report.error().code,
            ErrorCode::kUsage);
  EXPECT_EQ(merge({chain.deltas[0], chain.deltas[0]}, nullptr).report.error().code,
            ErrorCode::kUsage);
  EXPECT_EQ(merge({}, nullptr).report.error().code, ErrorCode::kUsage);
}

// Plain devices have no uuids: contents decide.
TEST(MergeDelta, ContentThatDoesNotFollowIsRefused) {
  const Pair first = make_pair_of_volumes(1, 64 << 10, 64 << 10);
  Pair second = make_pair_of_volumes(2, 64 << 10, 64 << 10);
  std::vector<Bytes> deltas;
  for (const Pair* pair : {&first, static_cast<const Pair*>(&second)}) {
    Changelist list = pair->list();
    list.from_uuid = list.to_uuid = Uuid{};
    deltas.push_back(pair->delta(list, {.mode = DeltaMode::kRaw}));
  }
  const Merged merged = merge(deltas, nullptr);
  ASSERT_FALSE(merged.report);
  EXPECT_EQ(merged.report.error().code, ErrorCode::kFailed);
}

TEST(MergeDelta, PipesAndDamageAreRefused) {
  const Chain chain = make_chain(9, {.only_raw = true});
  MemorySource pipe(chain.deltas[0], false);
  MemorySource file(chain.deltas[1]);
  std::vector<ByteSource*> sources{&pipe, &file};
  SeededRandom random(1);
  MemorySink sink;
  WorkContext context;
  EXPECT_EQ(merge_deltas(sources, nullptr, {}, random, context, sink).error().code,
            ErrorCode::kUsage);
  SeededRandom places(3);
  for (int i = 0; i < 60; ++i) {
    std::vector<Bytes> deltas = chain.deltas;
    Bytes& hurt = deltas[places.below(deltas.size())];
    hurt[places.below(hurt.size())] ^= std::byte{0x20};
    const Merged merged = merge(deltas, nullptr);
    ASSERT_FALSE(merged.report) << i;
    EXPECT_TRUE(merged.bytes.empty()) << "something was written before all was checked";
  }
}

}  // namespace
}  // namespace ddsnap::test
