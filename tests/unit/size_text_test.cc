// Shows which texts are sizes and which are not (the original refused "4096"), and how sizes,
// counts and times are written.
#include "ddsnap/base/size_text.h"

#include <gtest/gtest.h>

namespace ddsnap {
namespace {

TEST(SizeText, TakesPlainNumbersAndUnits) {
  EXPECT_EQ(*parse_size("0"), 0u);
  EXPECT_EQ(*parse_size("4096"), 4096u);
  EXPECT_EQ(*parse_size("16k"), 16384u);
  EXPECT_EQ(*parse_size("16K"), 16384u);
  EXPECT_EQ(*parse_size("1M"), 1u << 20);
  EXPECT_EQ(*parse_size("3g"), 3ull << 30);
  EXPECT_EQ(*parse_size("2T"), 2ull << 40);
  EXPECT_EQ(*parse_size("16777215T"), 16777215ull << 40);
}

TEST(SizeText, RefusesEverythingElse) {
  for (const char* text : {"", "K", "-1", "+1", "1.5G", "1 M", "1MB", "0x10", "16777216T",
                           "18446744073709551616", "k16"}) {
    const Result<std::uint64_t> size = parse_size(text);
    ASSERT_FALSE(size) << text;
    EXPECT_EQ(size.error().code, ErrorCode::kUsage) << text;
  }
}

TEST(SizeText, AChunkIsAPowerOfTwoFrom4KTo1M) {
  EXPECT_EQ(*parse_chunk_size("4K"), 12u);
  EXPECT_EQ(*parse_chunk_size("16384"), 14u);
  EXPECT_EQ(*parse_chunk_size("1M"), 20u);
  for (const char* text : {"0", "1", "2K", "5000", "2M", "4T"})
    EXPECT_FALSE(parse_chunk_size(text)) << text;
}

TEST(SizeText, NumbersForPeople) {
  EXPECT_EQ(with_commas(0), "0");
  EXPECT_EQ(with_commas(999), "999");
  EXPECT_EQ(with_commas(1000), "1,000");
  EXPECT_EQ(with_commas(67108864), "67,108,864");
  EXPECT_EQ(human_bytes(512), "512 B");
  EXPECT_EQ(human_bytes(1536), "1.50 KiB");
  EXPECT_EQ(human_bytes(256u << 20), "256 MiB");
  EXPECT_EQ(human_bytes(1023u << 10), "1.00 MiB");
  EXPECT_EQ(human_bytes(~0ull), "16.0 EiB");
}

TEST(SizeText, TimesAreUtc) {
  EXPECT_EQ(utc_time(0), "-");
  EXPECT_EQ(utc_time(1'212'753'600'000'000'000), "2008-06-06T12:00:00Z");
}

}  // namespace
}  // namespace ddsnap
