// Shows that a seed names one sequence (splitmix64's published one), whatever the sizes in which it
// is drawn at multiples of eight, and that the system's source fills what it is given.
#include "ddsnap/base/random.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace ddsnap {
namespace {

TEST(Random, ASeedNamesOneSequence) {
  SeededRandom random(1234567);
  // From the reference implementation of splitmix64.
  EXPECT_EQ(random.next_u64(), 6457827717110365317u);
  EXPECT_EQ(random.next_u64(), 3203168211198807973u);
  EXPECT_EQ(random.next_u64(), 9817491932198370423u);
}

TEST(Random, OneLargeDrawEqualsManySmallOnes) {
  SeededRandom one(99);
  SeededRandom many(99);
  std::array<std::uint64_t, 8> drawn;
  one.fill(std::as_writable_bytes(std::span(drawn)));
  for (const std::uint64_t value : drawn) EXPECT_EQ(value, many.next_u64());
}

TEST(Random, BelowStaysBelow) {
  SeededRandom random(5);
  for (int i = 0; i < 1000; ++i) EXPECT_LT(random.below(7), 7u);
}

TEST(Random, TheSystemFillsWhatItIsGiven) {
  SystemRandom random;
  std::vector<std::byte> bytes(1 << 16);
  random.fill(bytes);
  // 64 KiB of zeros at the end would be a fill that stopped early; chance does not make them.
  EXPECT_NE(std::vector<std::byte>(bytes.end() - 64, bytes.end()), std::vector<std::byte>(64));
  random.fill({});
}

}  // namespace
}  // namespace ddsnap
