// Shows that a uuid survives text and back, that only the 8-4-4-4-12 form is taken, and that made
// ones are of version 4 and differ.
#include "ddsnap/base/uuid.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace ddsnap {
namespace {

TEST(Uuid, TextAndBack) {
  const std::string text = "00112233-4455-6677-8899-aabbccddeeff";
  const Result<Uuid> uuid = Uuid::parse(text);
  ASSERT_TRUE(uuid);
  EXPECT_EQ(uuid->bytes[0], std::byte{0x00});
  EXPECT_EQ(uuid->bytes[15], std::byte{0xff});
  EXPECT_EQ(uuid->to_string(), text);
  EXPECT_EQ(*Uuid::parse("00112233-4455-6677-8899-AABBCCDDEEFF"), *uuid);
}

TEST(Uuid, OnlyTheWholeFormIsTaken) {
  for (const char* text :
       {"", "00112233-4455-6677-8899-aabbccddeef", "00112233-4455-6677-8899-aabbccddeeff0",
        "00112233445566778899aabbccddeeff0000", "0011223--4455-6677-8899-aabbccddeeff",
        "0g112233-4455-6677-8899-aabbccddeeff", "00112233_4455-6677-8899-aabbccddeeff"}) {
    const Result<Uuid> uuid = Uuid::parse(text);
    ASSERT_FALSE(uuid) << text;
    EXPECT_EQ(uuid.error().code, ErrorCode::kUsage) << text;
  }
}

TEST(Uuid, MadeOnesAreVersion4AndDiffer) {
  constexpr std::uint64_t kSeed = 20060825;
  SCOPED_TRACE(kSeed);
  SeededRandom random(kSeed);
  std::set<Uuid> seen;
  for (int i = 0; i < 1000; ++i) {
    const Uuid uuid = Uuid::make(random);
    EXPECT_EQ(uuid.to_string()[14], '4');
    EXPECT_NE(std::string("89ab").find(uuid.to_string()[19]), std::string::npos);
    EXPECT_TRUE(seen.insert(uuid).second);
  }
}

TEST(Uuid, NilIsTheDefault) {
  EXPECT_TRUE(Uuid{}.is_nil());
  EXPECT_EQ(Uuid{}.to_string(), "00000000-0000-0000-0000-000000000000");
}

TEST(Uuid, IsDerivedAlwaysTheSameAndFromNothingElse) {
  const std::string one = "a name", other = "another name";
  const Uuid derived = Uuid::derived_from(std::as_bytes(std::span(one)));
  EXPECT_EQ(derived, Uuid::derived_from(std::as_bytes(std::span(one))));
  EXPECT_NE(derived, Uuid::derived_from(std::as_bytes(std::span(other))));
  EXPECT_EQ(derived.to_string()[14], '4');  // RFC 4122, version 4
}

}  // namespace

}  // namespace ddsnap
