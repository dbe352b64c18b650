// Shows what create_delta refuses (D5, TIMELINES 16): the wrong device in either place, sizes that
// differ from the list's, a list up to "now"; and what it marks when nothing can be proven.
#include "ddsnap/delta/create_delta.h"

#include <gtest/gtest.h>

#include "tests/support/delta_world.h"
#include "tests/support/fault_device.h"

namespace ddsnap::test {
namespace {

constexpr std::size_t kSize = 128 << 10;

Result<CreateDeltaReport> create(const Changelist& list, BlockDevice* from, BlockDevice& to,
                                 DeltaMode mode = DeltaMode::kBest) {
  SeededRandom random(1);
  MemorySink sink;
  return create_delta(list, from, to, {.mode = mode}, random, sink);
}

void expect_error(const Result<CreateDeltaReport>& result, const std::string& text) {
  ASSERT_FALSE(result) << "should have said: " << text;
  EXPECT_NE(result.error().text.find(text), std::string::npos) << result.error().text;
}

TEST(CreateDelta, Timeline16_WrongOldDeviceIsFoundByItsHashes) {
  const Pair pair = make_pair_of_volumes(1, kSize, kSize);
  const Changelist list = pair.list();
  const auto to = device_of(pair.new_bytes, "new");
  const auto swapped = create(list, to.get(), *to);
  const std::string first = std::to_string(list.ranges.front().first.value);
  expect_error(swapped, "new is not snapshot 'a' of the changelist: chunks " + first + " to ");
}

TEST(CreateDelta, Timeline16_ProvenSnapshotsAreComparedWithTheList) {
  const Pair pair = make_pair_of_volumes(2, kSize, kSize);
  const Changelist list = pair.list();
  const auto from = device_of(pair.old_bytes, "old");
  const auto to = device_of(pair.new_bytes, "new");
  const auto unproven = create(list, from.get(), *to);
  ASSERT_OK(unproven);
  EXPECT_FALSE(unproven->header.from_is_proven);
  EXPECT_FALSE(unproven->header.to_is_proven);

  from->set_proven_snapshot_uuid(pair.from_uuid.to_string());
  to->set_proven_snapshot_uuid(pair.to_uuid.to_string());
  const auto proven = create(list, from.get(), *to);
  ASSERT_OK(proven);
  EXPECT_TRUE(proven->header.from_is_proven);
  EXPECT_TRUE(proven->header.to_is_proven);

  // Snapshot 2 in place of 1: its hashes "from" fit, and nothing else would tell.
  to->set_proven_snapshot_uuid(pair.from_uuid.to_string());
  expect_error(create(list, from.get(), *to), "but the changelist names 'b'");
  to->set_proven_snapshot_uuid(pair.to_uuid.to_string());
  from->set_proven_snapshot_uuid(pair.to_uuid.to_string());
  expect_error(create(list, from.get(), *to), "but the changelist names 'a'");
}

TEST(CreateDelta, Timeline16_NowIsNoSnapshot) {
  const Pair pair = make_pair_of_volumes(3, kSize, kSize);
  Changelist list = pair.list();
  list.to_is_now = true;
  const auto from = device_of(pair.old_bytes);
  const auto to = device_of(pair.new_bytes);
  expect_error(create(list, from.get(), *to), "no snapshot");
}

TEST(CreateDelta, Timeline16_LiveOriginIsRefused) {
  const Pair pair = make_pair_of_volumes(3, kSize, kSize);
  const auto from = device_of(pair.old_bytes);
  const auto to = device_of(pair.new_bytes, "origin");
  to->set_proven_snapshot_uuid(Uuid{}.to_string());
  expect_error(create(pair.list(), from.get(), *to), "origin is a live origin and no instant");
  const ChunkGeometry geometry{.volume_bytes = kSize};
  expect_error(create(full_changelist(geometry, {}, {}), nullptr, *to), "is a live origin");
}

TEST(CreateDelta, SizesMustBeTheLists) {
  const Pair pair = make_pair_of_volumes(4, kSize, kSize);
  const Changelist list = pair.list();
  const auto from = device_of(pair.old_bytes);
  const auto to = device_of(pair.new_bytes);
  MemoryDevice other(kSize + 4096, "other");
  expect_error(create(list, &other, *to), "other has");
  expect_error(create(list, from.get(), other), "other has");
}

TEST(CreateDelta, DifferencesNeedTheOldDevice) {
  const Pair pair = make_pair_of_volumes(5, kSize, kSize);
  const auto to = device_of(pair.new_bytes);
  expect_error(create(pair.list(), nullptr, *to, DeltaMode::kDifference), "needs the old device");
  ASSERT_OK(create(pair.list(), nullptr, *to, DeltaMode::kRaw));
}

TEST(CreateDelta, EveryReadErrorIsAnError) {
  const Pair pair = make_pair_of_volumes(6, 4 << 20, 4 << 20);
  const Changelist list = pair.list();
  const auto from = device_of(pair.old_bytes);
  const auto to = device_of(pair.new_bytes);
  for (const bool is_old : {false, true}) {
    for (std::uint64_t n = 0;; ++n) {
      FaultDevice failing(is_old ? *from : *to);
      failing.inject({.after = n});
      const auto result = is_old ? create(list, &failing, *to) : create(list, from.get(), failing);
      ASSERT_EQ(result.has_value(), failing.fired() == 0);
      if (failing.fired() == 0) break;
      EXPECT_TRUE(is_injected(result.error())) << result.error().text;
    }
  }
}

TEST(CreateDelta, BlocksLargerThanChunksAreRefused) {
  const Pair pair = make_pair_of_volumes(7, kSize, kSize);
  const auto from = device_of(pair.old_bytes);
  MemoryDevice coarse({.size_bytes = kSize, .block_bytes = 8192}, cow(pair.new_bytes));
  expect_error(create(pair.list(), from.get(), coarse), "more than a chunk");
}

}  // namespace
}  // namespace ddsnap::test
