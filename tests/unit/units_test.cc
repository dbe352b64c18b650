// Shows the arithmetic between bytes and chunks, above all where it is easy to be off by one: short
// last chunks, ranges that end on a chunk, the last of 2^32 chunks.
#include "ddsnap/base/units.h"

#include <gtest/gtest.h>

namespace ddsnap {
namespace {

constexpr ChunkGeometry kShortLast{.chunk_shift = 14, .volume_bytes = (3u << 14) + 512};

TEST(Units, ASizeThatIsNoMultipleHasAShortLastChunk) {
  EXPECT_EQ(kShortLast.chunk_count(), 4u);
  EXPECT_EQ(kShortLast.bytes_of(ChunkNr{0}), (ByteRange{0, 1u << 14}));
  EXPECT_EQ(kShortLast.bytes_of(ChunkNr{3}), (ByteRange{3u << 14, 512}));
  EXPECT_EQ(kShortLast.bytes_of(ChunkNr{4}).length_bytes, 0u);
}

TEST(Units, AnEmptyVolumeHasNoChunks) {
  EXPECT_EQ((ChunkGeometry{.chunk_shift = 14, .volume_bytes = 0}.chunk_count()), 0u);
}

TEST(Units, ChunksTouchingCountsPartlyTouchedOnes) {
  EXPECT_EQ(kShortLast.chunks_touching({0, 1}), (ChunkRange{ChunkNr{0}, 1}));
  EXPECT_EQ(kShortLast.chunks_touching({0, 1u << 14}), (ChunkRange{ChunkNr{0}, 1}));
  EXPECT_EQ(kShortLast.chunks_touching({(1u << 14) - 1, 2}), (ChunkRange{ChunkNr{0}, 2}));
  EXPECT_EQ(kShortLast.chunks_touching({0, kShortLast.volume_bytes}), (ChunkRange{ChunkNr{0}, 4}));
}

TEST(Units, TheLastOfTwoToThe32ChunksIsReached) {
  constexpr ChunkGeometry kLargest{.chunk_shift = 12, .volume_bytes = kMaxChunks << 12};
  EXPECT_EQ(kLargest.chunk_count(), kMaxChunks);
  const ChunkNr last{0xffffffff};
  EXPECT_EQ(kLargest.bytes_of(last).end_bytes(), kLargest.volume_bytes);
  EXPECT_EQ(kLargest.chunks_touching({kLargest.volume_bytes - 1, 1}), (ChunkRange{last, 1}));
  EXPECT_EQ((ChunkRange{last, 1}.end()), kMaxChunks);
}

TEST(Units, RoundingKeepsMultiples) {
  EXPECT_EQ(round_up(0, 512), 0u);
  EXPECT_EQ(round_up(1, 512), 512u);
  EXPECT_EQ(round_up(512, 512), 512u);
  EXPECT_EQ(round_down(1023, 512), 512u);
}

TEST(Units, EpochZeroMeansNone) {
  EXPECT_FALSE(Epoch{});
  EXPECT_TRUE(Epoch{1});
  EXPECT_LT(Epoch{1}, Epoch{2});
}

}  // namespace
}  // namespace ddsnap
