// Shows that the hashes are the published XXH3 ones (fixed values: formats on disk depend on them),
// that metadata checksums are salted, and that zero detection sees every single byte.
#include "ddsnap/base/hash.h"

#include <gtest/gtest.h>

#include <vector>

namespace ddsnap {
namespace {

TEST(Hash, EmptyInputGivesThePublishedValues) {
  EXPECT_EQ(hash_chunk({}).value, 0x2d06800538d394c2u);
  const Hash128 whole = hash128_of({});
  // Canonical form: the high half first, big-endian (99aa06d3014798d86001c324468d497f).
  EXPECT_EQ(whole.bytes[0], std::byte{0x99});
  EXPECT_EQ(whole.bytes[15], std::byte{0x7f});
}

TEST(Hash, AFlippedBitChangesEveryHash) {
  std::vector<std::byte> chunk(16384);
  const ChunkHash before = hash_chunk(chunk);
  const Hash128 whole_before = hash128_of(chunk);
  const std::uint64_t sum_before = checksum_of(chunk, 1);
  chunk[9999] ^= std::byte{1};
  EXPECT_NE(hash_chunk(chunk), before);
  EXPECT_NE(hash128_of(chunk), whole_before);
  EXPECT_NE(checksum_of(chunk, 1), sum_before);
}

TEST(Hash, ChecksumsAreSaltedByTheirSeed) {
  const std::vector<std::byte> block(4096);
  EXPECT_NE(checksum_of(block, 1), checksum_of(block, 2));
}

TEST(Hash, ZeroDetectionSeesEveryByte) {
  EXPECT_TRUE(is_all_zero({}));
  std::vector<std::byte> bytes(257);
  EXPECT_TRUE(is_all_zero(bytes));
  for (std::byte& byte : bytes) {
    byte = std::byte{0x80};
    EXPECT_FALSE(is_all_zero(bytes));
    byte = std::byte{0};
  }
}

}  // namespace
}  // namespace ddsnap
