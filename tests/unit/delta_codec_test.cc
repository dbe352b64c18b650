// Shows that every codec gives back what it took, that a wrong length, a wrong prefix and damaged
// payloads end in an error, and which names and levels are codecs.
#include "ddsnap/delta/codec.h"

#include <gtest/gtest.h>

#include "tests/support/delta_world.h"

namespace ddsnap::test {
namespace {

TEST(DeltaCodec, RoundTrips) {
  for (const char* name : {"zlib", "zlib:1", "lz4", "lz4:12", "zstd", "zstd:1", "zstd:19"}) {
    for (const std::size_t size : {4096u, 65536u, 1u << 20}) {
      SCOPED_TRACE(name);
      SeededRandom random(size);
      Bytes content(size);
      put_text(random, content);
      Compressor compressor(*parse_codec(name));
      Decompressor decompressor;
      const auto payload = compressor.compress(content);
      ASSERT_OK(payload);
      ASSERT_FALSE(payload->empty());
      EXPECT_LT(payload->size(), size);
      Bytes again(size);
      ASSERT_OK(decompressor.decompress(compressor.encoding(), *payload, {}, again));
      EXPECT_TRUE(again == content);
      for (const std::size_t wrong : {size - 1, size + 1}) {
        Bytes other(wrong);
        EXPECT_FALSE(decompressor.decompress(compressor.encoding(), *payload, {}, other));
      }
      Bytes cut(payload->begin(), payload->end() - 1);
      EXPECT_FALSE(decompressor.decompress(compressor.encoding(), cut, {}, again));
    }
  }
}

TEST(DeltaCodec, RandomContentDoesNotShrink) {
  SeededRandom random(1);
  const Bytes content = random_bytes(random, 65536);
  for (const char* name : {"none", "zlib", "lz4", "lz4:9", "zstd"}) {
    Compressor compressor(*parse_codec(name));
    const auto payload = compressor.compress(content);
    ASSERT_OK(payload);
    EXPECT_TRUE(payload->empty()) << name;
  }
}

TEST(DeltaCodec, DifferenceReachesOverAllOldContent) {
  for (const std::size_t size : {4096u, 262144u, 1u << 20}) {
    SeededRandom random(size);
    const Bytes old_content = random_bytes(random, size);
    Bytes content = old_content;
    random.fill(std::span(content).subspan(size / 2, 64));
    Compressor compressor({Codec::kNone, 0});
    const auto payload = compressor.compress_difference(content, old_content);
    ASSERT_OK(payload);
    ASSERT_FALSE(payload->empty());
    EXPECT_LT(payload->size(), size / 10);
    Decompressor decompressor;
    Bytes again(size);
    ASSERT_OK(decompressor.decompress(Encoding::kZstdDifference, *payload, old_content, again));
    EXPECT_TRUE(again == content);
    const Bytes other = random_bytes(random, size);
    const auto wrong = decompressor.decompress(Encoding::kZstdDifference, *payload, other, again);
    EXPECT_TRUE(!wrong || again != content) << "the chunk hashes find this one";
  }
}

TEST(DeltaCodec, Names) {
  EXPECT_EQ(parse_codec("zstd:7")->level, 7);
  EXPECT_EQ(parse_codec("none")->codec, Codec::kNone);
  for (const char* wrong : {"", "zip", "zstd:", "zstd:x", "zstd:0", "zstd:20", "zlib:10", "lz4:-1"})
    EXPECT_EQ(parse_codec(wrong).error().code, ErrorCode::kUsage) << wrong;
}

}  // namespace
}  // namespace ddsnap::test
