// Shows what verify and inspect tell: a delta alone, and whether a device fits it, holds it
// already, holds a part of it, or neither, with the ranges; nothing is ever written.
#include "ddsnap/delta/verify.h"

#include <gtest/gtest.h>

#include "ddsnap/delta/changelist_file.h"
#include "ddsnap/delta/inspect.h"
#include "tests/support/delta_world.h"
#include "tests/support/trace_device.h"

namespace ddsnap::test {
namespace {

constexpr std::size_t kSize = 256 << 10;

FitReport fit(const Bytes& delta, const Bytes& target_bytes, const TargetState& state = {}) {
  const auto memory = device_of(target_bytes, "target");
  TraceDevice target(*memory);
  MemorySource source(delta, false);
  auto report = verify_delta_against(source, target, state);
  EXPECT_TRUE(report) << report.error().text;
  EXPECT_EQ(target.count(DeviceOp::kWrite) + target.count(DeviceOp::kWriteZeroes), 0u);
  return *std::move(report);
}

TEST(VerifyDelta, SaysHowADeviceFits) {
  const Pair pair = make_pair_of_volumes(1, kSize, kSize);
  const Changelist list = pair.list();
  for (const DeltaMode mode : {DeltaMode::kRaw, DeltaMode::kDifference}) {
    const Bytes delta = pair.delta(list, {.mode = mode});
    const FitReport fits = fit(delta, pair.old_bytes);
    EXPECT_EQ(fits.fit, Fit::kFits);
    EXPECT_EQ(fits.before.chunks, list.chunk_count());
    EXPECT_EQ(fits.before.ranges, list.ranges);
    const FitReport applied = fit(delta, pair.new_bytes);
    EXPECT_EQ(applied.fit, Fit::kAlreadyApplied);
    EXPECT_EQ(applied.after.ranges, list.ranges);

    Bytes mixed = pair.old_bytes;
    const auto at = static_cast<std::ptrdiff_t>(list.ranges[0].first.value) << 12;
    std::copy_n(pair.new_bytes.begin() + at, 4096, mixed.begin() + at);
    const FitReport partly = fit(delta, mixed);
    EXPECT_EQ(partly.fit, Fit::kPartlyApplied);
    EXPECT_EQ(partly.after.chunks, 1u);

    mixed[static_cast<std::size_t>(at)] ^= std::byte{1};
    const FitReport foreign = fit(delta, mixed);
    EXPECT_EQ(foreign.fit, Fit::kForeign);
    ASSERT_EQ(foreign.foreign.ranges.size(), 1u);
    EXPECT_EQ(foreign.foreign.ranges[0], (ChunkRange{list.ranges[0].first, 1}));
  }
}

TEST(VerifyDelta, UnknownHashesAreCountedAndProvenByTheRecord) {
  const Pair pair = make_pair_of_volumes(2, kSize, kSize);
  Changelist list = pair.list();
  list.before.clear();
  const Bytes delta = pair.delta(list, {.mode = DeltaMode::kRaw}, 7, false);
  const FitReport unproven = fit(delta, pair.old_bytes);
  EXPECT_EQ(unproven.unproven.chunks, list.chunk_count());
  EXPECT_FALSE(unproven.is_base_proven);
  EXPECT_TRUE(fit(delta, pair.old_bytes, {.snapshot_uuid = pair.from_uuid}).is_base_proven);
}

TEST(VerifyDelta, AloneFindsDamage) {
  const Pair pair = make_pair_of_volumes(3, kSize, kSize);
  Bytes delta = pair.delta(pair.list());
  MemorySource good(delta);
  const auto facts = verify_delta(good);
  ASSERT_OK(facts);
  EXPECT_EQ(facts->trailer.totals.chunks, facts->header.chunk_count);
  delta[delta.size() / 2] ^= std::byte{1};
  MemorySource bad(delta);
  EXPECT_EQ(verify_delta(bad).error().code, ErrorCode::kDamaged);
}

TEST(Inspect, TellsWhatAFileIs) {
  const Pair pair = make_pair_of_volumes(4, kSize, kSize);
  const Changelist list = pair.list();
  const Bytes delta = pair.delta(list);
  MemorySource delta_source(delta, false);
  const auto delta_facts = inspect(delta_source);
  ASSERT_OK(delta_facts);
  EXPECT_EQ(std::get<DeltaFacts>(*delta_facts).header.to_uuid, pair.to_uuid);

  MemorySink sink;
  ASSERT_OK(write_changelist(sink, list));
  MemorySource list_source(sink.bytes(), false);
  const auto list_facts = inspect(list_source);
  ASSERT_OK(list_facts);
  EXPECT_EQ(std::get<ChangelistFacts>(*list_facts).known_hashes, list.chunk_count());

  for (const std::size_t size : {0u, 3u, 5000u}) {
    const Bytes nothing(size);
    MemorySource source(nothing);
    EXPECT_EQ(inspect(source).error().code, ErrorCode::kDamaged);
  }
}

}  // namespace
}  // namespace ddsnap::test
