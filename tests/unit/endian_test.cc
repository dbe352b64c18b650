// Shows that le16/le32/le64 store the lowest byte first, load what they stored, start as zero, and
// that a struct made of them has neither padding nor alignment.
#include "ddsnap/base/endian.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>

namespace ddsnap {
namespace {

struct MixedDisk {
  le16 a;
  le64 b;
  le32 c;
};
static_assert(sizeof(MixedDisk) == 14 && alignof(MixedDisk) == 1);

TEST(Endian, LowestByteComesFirst) {
  MixedDisk disk{.a = 0x0201, .b = 0x0a09080706050403, .c = 0x0e0d0c0b};
  unsigned char bytes[sizeof disk];
  std::memcpy(bytes, &disk, sizeof disk);
  for (unsigned i = 0; i < sizeof disk; ++i) EXPECT_EQ(bytes[i], i + 1);
}

TEST(Endian, LoadsWhatItStored) {
  le64 field = std::numeric_limits<std::uint64_t>::max();
  EXPECT_EQ(field.get(), std::numeric_limits<std::uint64_t>::max());
  field = 0x8000000000000001;
  EXPECT_EQ(field.get(), 0x8000000000000001);
  const le16 small = 0xfffe;
  EXPECT_EQ(small.get(), 0xfffe);
}

TEST(Endian, BornZero) {
  EXPECT_EQ(le32{}.get(), 0u);
  EXPECT_EQ(MixedDisk{}.b.get(), 0u);
}

}  // namespace
}  // namespace ddsnap
