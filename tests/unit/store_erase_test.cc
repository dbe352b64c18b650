// An erased store is none, also one whose beginning somebody overwrote before; what is erased twice
// is as erased once; and another store can be made there, unasked.
#include "server/store/erase.h"

#include <gtest/gtest.h>

#include <vector>

#include "server/store/superblock_search.h"
#include "tests/support/small_store.h"

namespace ddsnap::test {
namespace {

void expect_none(BlockDevice& snapstore, BlockDevice& origin) {
  const StoreFormat format{.chunk_shift = 12};
  EXPECT_FALSE(is_store({snapstore, origin}, format).value_or(true));
  const auto third = find_third_superblock(snapstore, false);
  ASSERT_TRUE(third);
  EXPECT_FALSE(third->has_value());
  SeededRandom random{7};
  EXPECT_FALSE(SnapStore::open({snapstore, origin}, {}, random));
}

TEST(EraseStore, NothingIsLeftOfIt) {
  SmallStore small;
  small.create();
  small.kill();
  for (int time = 0; time < 2; ++time) {
    ASSERT_TRUE(erase_store({small.snapstore, small.origin}));
    expect_none(small.snapstore, small.origin);
  }
  ASSERT_TRUE(initialize_store({small.snapstore, small.origin}, {.chunk_shift = 12}, small.random));
}

TEST(EraseStore, AlsoWithItsBeginningGone) {
  SmallStore small;
  small.kill();
  const std::vector<std::byte> noise(16u << 10, std::byte{0x5a});
  ASSERT_TRUE(small.snapstore.write_at(0, noise));
  ASSERT_TRUE(erase_store({small.snapstore, small.origin}));
  expect_none(small.snapstore, small.origin);
}

TEST(EraseStore, MetadataElsewhere) {
  MemoryDevice origin(256u << 10, "origin"), snapstore(1u << 20, "snapstore"),
      metadata(2u << 20, "metadata");
  SeededRandom random{7};
  const StoreDevices devices{snapstore, origin, &metadata};
  const StoreFormat format{.chunk_shift = 12};
  ASSERT_TRUE(initialize_store(devices, format, random));
  ASSERT_TRUE(is_store(devices, format).value_or(false));
  ASSERT_TRUE(erase_store(devices));
  EXPECT_FALSE(is_store(devices, format).value_or(true));
}

}  // namespace
}  // namespace ddsnap::test
