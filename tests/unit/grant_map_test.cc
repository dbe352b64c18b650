// The grant bitmap: what is granted, what clear() forgets, and what lies beyond the volume.
#include "ddsnap/target/grant_map.h"

#include <gtest/gtest.h>

namespace ddsnap {
namespace {

TEST(GrantMap, RemembersRanges) {
  GrantMap grants(100'000);
  EXPECT_FALSE(grants.is_granted(ChunkNr{5}));
  grants.grant({ChunkNr{32'760}, 20});  // over the border of two pages
  EXPECT_TRUE(grants.all_granted({ChunkNr{32'760}, 20}));
  EXPECT_FALSE(grants.all_granted({ChunkNr{32'759}, 2}));
  EXPECT_FALSE(grants.all_granted({ChunkNr{32'779}, 2}));
}

TEST(GrantMap, ForgetsAllAtOnceAndLearnsAnew) {
  GrantMap grants(100'000);
  grants.grant({ChunkNr{0}, 100'000});
  grants.clear();
  EXPECT_FALSE(grants.is_granted(ChunkNr{0}));
  EXPECT_FALSE(grants.is_granted(ChunkNr{99'999}));
  grants.grant({ChunkNr{7}, 1});
  EXPECT_TRUE(grants.is_granted(ChunkNr{7}));
  EXPECT_FALSE(grants.is_granted(ChunkNr{6}));  // the page's old bits are gone
}

TEST(GrantMap, TheWholeOfAHugeVolumeCostsNothing) {
  constexpr std::uint64_t kChunks = std::uint64_t{1} << 32;
  GrantMap grants(kChunks);
  const auto grant_all = [&] {
    grants.grant({ChunkNr{0}, 0x80000000});
    grants.grant({ChunkNr{0x80000000}, 0x80000000});
  };
  grant_all();
  EXPECT_TRUE(grants.all_granted({ChunkNr{0xfffffff0}, 16}));
  grants.clear();
  EXPECT_FALSE(grants.is_granted(ChunkNr{0}));
  grants.grant({ChunkNr{0x80000000}, 1});  // a head that never was this generation's grants nothing
  EXPECT_FALSE(grants.is_granted(ChunkNr{5}));
  grant_all();
  EXPECT_TRUE(grants.is_granted(ChunkNr{5}));
}

TEST(GrantMap, PassesOverWhatLiesBeyondTheVolume) {
  GrantMap grants(10);
  grants.grant({ChunkNr{8}, 0xfffffff7});
  EXPECT_TRUE(grants.all_granted({ChunkNr{8}, 2}));
  EXPECT_FALSE(grants.is_granted(ChunkNr{10}));
  EXPECT_FALSE(grants.is_granted(ChunkNr{0xffffffff}));
}

}  // namespace
}  // namespace ddsnap
