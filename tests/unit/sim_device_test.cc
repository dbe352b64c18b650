// Shows that the simulated disk is as cruel as it promises: what was flushed survives every image,
// what was not survives in some and is lost in others, sectors in flight tear, ignored flushes make
// nothing durable, and a small journal that is right passes the crash loop while the same one
// without its flush fails.

#include "tests/support/sim_device.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/support/memory_device.h"

namespace ddsnap::test {
namespace {

constexpr std::uint64_t kSeed = 7;
constexpr std::uint64_t kSizeBytes = 64 << 10;
constexpr std::size_t kMaxImages = 64;

std::vector<std::byte> filled(std::size_t size, int value) {
  return std::vector<std::byte>(size, static_cast<std::byte>(value));
}

// The byte values that `offset` has over all images.
std::set<int> values_at(const std::vector<SimImage>& images, std::uint64_t offset,
                        std::size_t device = 0) {
  std::set<int> values;
  for (const SimImage& image : images) {
    std::byte value{};
    image.devices[device].content.read(offset, {&value, 1});
    values.insert(static_cast<int>(value));
  }
  return values;
}

TEST(SimDevice, FlushedSurvivesUnflushedMay) {
  SimWorld world(kSeed);
  SimDevice& disk = world.add_device("disk", {.size_bytes = kSizeBytes});
  ASSERT_TRUE(disk.write_at(0, filled(512, 1)));
  ASSERT_TRUE(disk.flush());
  ASSERT_TRUE(disk.write_at(512, filled(512, 2)));
  const auto images = world.crash_images(kMaxImages);
  EXPECT_EQ(values_at(images, 0), (std::set<int>{1}));
  EXPECT_EQ(values_at(images, 512), (std::set<int>{0, 2}));
  EXPECT_EQ(world.operations(), 3u);
  EXPECT_EQ(world.flushes(), 1u);
}

TEST(SimDevice, SectorsOfOneWriteSurviveSeparately) {
  SimWorld world(kSeed);
  SimDevice& disk = world.add_device("disk", {.size_bytes = kSizeBytes});
  ASSERT_TRUE(disk.write_at(0, filled(1024, 3)));
  std::set<std::pair<int, int>> seen;
  for (const SimImage& image : world.crash_images(kMaxImages)) {
    const auto bytes = image.devices[0].content.to_vector();
    seen.insert({static_cast<int>(bytes[0]), static_cast<int>(bytes[512])});
  }
  EXPECT_EQ(seen, (std::set<std::pair<int, int>>{{0, 0}, {0, 3}, {3, 0}, {3, 3}}));
}

TEST(SimDevice, OlderVersionMaySurvive) {
  SimWorld world(kSeed);
  SimDevice& disk = world.add_device("disk", {.size_bytes = kSizeBytes});
  ASSERT_TRUE(disk.write_at(0, filled(512, 1)));
  ASSERT_TRUE(disk.write_at(0, filled(512, 2)));
  EXPECT_EQ(values_at(world.crash_images(kMaxImages), 0), (std::set<int>{0, 1, 2}));
}

TEST(SimDevice, CrashFailsEverythingLaterAndTearsWhatWasInFlight) {
  SimWorld world(kSeed);
  SimDevice& disk = world.add_device("disk", {.size_bytes = kSizeBytes});
  world.crash_at_operation(1);
  ASSERT_TRUE(disk.write_at(0, filled(512, 1)));
  const Status cut = disk.write_at(512, filled(512, 2));
  ASSERT_FALSE(cut);
  EXPECT_TRUE(is_power_cut(cut.error()));
  EXPECT_TRUE(world.crashed());
  auto buffer = filled(512, 0);
  EXPECT_FALSE(disk.read_at(0, buffer));
  EXPECT_FALSE(disk.flush());
  EXPECT_FALSE(disk.write_at(4096, filled(512, 9)));
  EXPECT_EQ(world.operations(), 2u);

  const auto images = world.crash_images(kMaxImages);
  bool is_torn = false;
  for (const SimImage& image : images) {
    auto bytes = image.devices[0].content.to_vector();
    is_torn = is_torn || std::adjacent_find(bytes.begin() + 512, bytes.begin() + 1024,
                                            std::not_equal_to<>()) != bytes.begin() + 1024;
    EXPECT_TRUE(bytes[0] == bytes[511]) << "a write that was not in flight was torn";
    EXPECT_EQ(bytes[4096], std::byte{0}) << "a write after the cut landed";
  }
  EXPECT_TRUE(is_torn);
}

TEST(SimDevice, LaterRequestsOfTheCutBatchMayLand) {
  SimWorld world(kSeed);
  SimDevice& disk = world.add_device("disk", {.size_bytes = kSizeBytes});
  world.crash_at_operation(0);
  const auto data = filled(512, 5);
  std::vector<IoRequest> batch = {IoRequest::write(0, data), IoRequest::write(512, data)};
  ASSERT_FALSE(disk.run(batch));
  EXPECT_FALSE(batch[1].status);
  EXPECT_TRUE(values_at(world.crash_images(kMaxImages), 512).contains(5));
}

TEST(SimDevice, DevicesShareTheCounterButNotTheFlush) {
  SimWorld world(kSeed);
  SimDevice& a = world.add_device("a", {.size_bytes = kSizeBytes});
  SimDevice& b = world.add_device("b", {.size_bytes = kSizeBytes});
  ASSERT_TRUE(a.write_at(0, filled(512, 1)));
  ASSERT_TRUE(b.write_at(0, filled(512, 1)));
  ASSERT_TRUE(b.flush());
  const auto images = world.crash_images(kMaxImages);
  EXPECT_EQ(values_at(images, 0, 0), (std::set<int>{0, 1}));
  EXPECT_EQ(values_at(images, 0, 1), (std::set<int>{1}));
  world.crash_at_operation(3);
  EXPECT_FALSE(a.flush());
  EXPECT_FALSE(b.flush());
}

TEST(SimDevice, IgnoredFlushMakesNothingDurable) {
  SimWorld world(kSeed);
  SimDevice& disk = world.add_device("disk", {.size_bytes = kSizeBytes});
  world.ignore_flush(0);
  ASSERT_TRUE(disk.write_at(0, filled(512, 1)));
  ASSERT_TRUE(disk.flush());
  EXPECT_EQ(values_at(world.crash_images(kMaxImages), 0), (std::set<int>{0, 1}));
  ASSERT_TRUE(disk.flush());
  EXPECT_EQ(values_at(world.crash_images(kMaxImages), 0), (std::set<int>{1}));
  world.ignore_flushes(true);
  ASSERT_TRUE(disk.write_at(0, filled(512, 2)));
  ASSERT_TRUE(disk.flush());
  EXPECT_EQ(values_at(world.crash_images(kMaxImages), 0), (std::set<int>{1, 2}));
}

// S10: what a failed flush lost is not made durable by a later good one, but by writing it again.
TEST(SimDevice, FailedFlushIsNotHealedByALaterOne) {
  SimWorld world(kSeed);
  SimDevice& disk = world.add_device("disk", {.size_bytes = kSizeBytes});
  world.fail_flush(0);
  ASSERT_TRUE(disk.write_at(0, filled(512, 1)));
  EXPECT_FALSE(disk.flush());
  ASSERT_TRUE(disk.flush());
  auto buffer = filled(512, 0);
  ASSERT_TRUE(disk.read_at(0, buffer));
  EXPECT_EQ(buffer, filled(512, 1));
  EXPECT_EQ(values_at(world.crash_images(kMaxImages), 0), (std::set<int>{0, 1}));
  ASSERT_TRUE(disk.write_at(0, filled(512, 1)));
  ASSERT_TRUE(disk.flush());
  EXPECT_EQ(values_at(world.crash_images(kMaxImages), 0), (std::set<int>{1}));
}

TEST(SimDevice, ImagesAreBoundedAndTheSameForTheSameSeed) {
  const auto make = [](std::uint64_t seed) {
    SimWorld world(seed);
    SimDevice& disk = world.add_device("disk", {.size_bytes = kSizeBytes});
    world.crash_at_operation(6);
    for (int i = 0; i < 8; ++i) (void)disk.write_at(i * 4096, filled(4096, i + 1));
    return world.crash_images(kMaxImages);
  };
  const auto first = make(1), again = make(1), other = make(2);
  ASSERT_EQ(first.size(), kMaxImages);
  bool differs = false;
  for (std::size_t i = 0; i < first.size(); ++i) {
    EXPECT_EQ(first[i].devices[0].content, again[i].devices[0].content);
    EXPECT_EQ(first[i].description, again[i].description);
    differs = differs || !(first[i].devices[0].content == other[i].devices[0].content);
  }
  EXPECT_TRUE(differs);
  EXPECT_EQ(first[1].devices[0].content, CowBytes(kSizeBytes)) << "the second drops all";
}

// A log of numbered records, each two sectors, then a flush, then the acknowledgement. A record
// counts when both its sectors carry its number; the log ends at the first that does not.
int append_records(SimDevice& disk) {
  int acked = 0;
  for (int number = 1; number <= 5; ++number) {
    if (!disk.write_at((number - 1) * 1024, filled(1024, number))) break;
    if (!disk.flush()) break;
    acked = number;
  }
  return acked;
}

int recovered_records(SimDevice& disk) {
  for (int number = 1; number <= 5; ++number) {
    auto record = filled(1024, 0);
    if (!disk.read_at((number - 1) * 1024, record)) return -1;
    if (record != filled(1024, number)) return number - 1;
  }
  return 5;
}

// How many images lose something that was acknowledged, over all crash points.
std::uint64_t lost_acknowledgements(bool ignore_flushes) {
  std::uint64_t lost = 0;
  for (std::uint64_t crash_at = 0;; ++crash_at) {
    SimWorld world(kSeed);
    SimDevice& disk = world.add_device("disk", {.size_bytes = kSizeBytes});
    world.ignore_flushes(ignore_flushes);
    world.crash_at_operation(crash_at);
    const int acked = append_records(disk);
    for (const SimImage& image : world.crash_images(kMaxImages)) {
      SimWorld after(image, kSeed);
      if (recovered_records(after.device(0)) < acked) ++lost;
    }
    if (!world.crashed()) return lost;
  }
}

TEST(SimDevice, CrashLoopPassesWithFlushesAndFailsWithout) {
  EXPECT_EQ(lost_acknowledgements(false), 0u);
  EXPECT_GT(lost_acknowledgements(true), 0u);
}

}  // namespace
}  // namespace ddsnap::test
