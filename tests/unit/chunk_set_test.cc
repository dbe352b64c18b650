// Shows that a set of chunks holds what an ordinary set would, whichever form it has, through every
// change and every pair of forms; that at rest it takes the smaller form; and that what it says of
// its stored size is never too little.
#include "server/store/chunk_set.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "ddsnap/base/random.h"

namespace ddsnap::test {
namespace {

using Model = std::set<std::uint32_t>;

// The places that a kind of set draws from: how far apart, and how many neighbours at each.
struct Kind {
  const char* name;
  std::uint64_t span;
  std::uint32_t cluster;
};
constexpr Kind kKinds[] = {{"scattered", std::uint64_t{1} << 32, 1},
                           {"clusters", std::uint64_t{1} << 30, 40},
                           {"dense", 3000, 1},
                           {"ends", 2, 1}};

std::uint32_t draw(SeededRandom& random, const Kind& kind) {
  const auto at = static_cast<std::uint32_t>(random.below(kind.span));
  return kind.span == 2 ? 0 - at : at;  // 0 and the last one
}

void add_some(ChunkSet& set, Model& model, SeededRandom& random, const Kind& kind) {
  for (std::uint64_t places = random.below(60); places > 0; --places) {
    const std::uint32_t first = draw(random, kind);
    for (std::uint32_t i = 0; i < kind.cluster && first + i >= first; ++i)
      EXPECT_EQ(set.add(first + i), model.insert(first + i).second);
  }
}

Roaring bitmap_of(const Model& model) {
  Roaring bitmap;
  for (const std::uint32_t chunk : model) bitmap.add(chunk);
  return bitmap;
}

void expect_same(const ChunkSet& set, const Model& model, SeededRandom& random, const Kind& kind) {
  ASSERT_EQ(set.cardinality(), model.size());
  ASSERT_EQ(set.is_empty(), model.empty());
  std::vector<std::uint32_t> all;
  set.for_each([&](std::uint32_t chunk) { all.push_back(chunk); });
  ASSERT_TRUE(std::ranges::equal(all, model));
  ASSERT_TRUE(set.bitmap() == bitmap_of(model));
  ASSERT_GE(set.stored_bytes(), set.bitmap().getSizeInBytes());
  Roaring sum = Roaring::bitmapOf(1, 17);
  set.add_to(sum);
  ASSERT_TRUE(sum == (set.bitmap() | Roaring::bitmapOf(1, 17)));
  if (!model.empty()) {
    ASSERT_EQ(set.maximum(), *model.rbegin());
  }
  for (int i = 0; i < 20; ++i) {
    const std::uint32_t chunk = draw(random, kind);
    ASSERT_EQ(set.contains(chunk), model.contains(chunk));
    const std::vector<std::uint32_t> some = set.some_from(chunk, 3);
    auto expected = model.lower_bound(chunk);
    for (const std::uint32_t one : some) ASSERT_EQ(one, *expected++);
    ASSERT_TRUE(some.size() == 3 || expected == model.end());
  }
}

class ChunkSetTest : public ::testing::TestWithParam<Kind> {};

TEST_P(ChunkSetTest, HoldsWhatAnOrdinarySetHolds) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    SeededRandom random(seed);
    ChunkSet sets[2];
    Model models[2];
    for (int step = 0; step < 20; ++step) {
      const std::size_t which = random.below(2);
      ChunkSet& set = sets[which];
      Model& model = models[which];
      switch (random.below(5)) {
        case 0:
          add_some(set, model, random, GetParam());
          break;
        case 1:
          for (int i = 0; i < 5 && !model.empty(); ++i) {
            const auto near = model.lower_bound(draw(random, GetParam()));
            const std::uint32_t gone = near == model.end() ? *model.begin() : *near;
            set.remove(gone);
            model.erase(gone);
          }
          set.remove(5);
          model.erase(5);
          break;
        case 2:
          set.rest();
          break;
        case 3:
          set |= sets[1 - which];
          model.insert(models[1 - which].begin(), models[1 - which].end());
          break;
        case 4:
          set |= bitmap_of(models[1 - which]);
          model.insert(models[1 - which].begin(), models[1 - which].end());
          break;
      }
      ASSERT_NO_FATAL_FAILURE(expect_same(set, model, random, GetParam()));
      Model both;
      std::ranges::set_intersection(models[0], models[1], std::inserter(both, both.end()));
      ASSERT_TRUE(common(sets[0], sets[1]) == bitmap_of(both));
      ASSERT_TRUE(common(sets[0], sets[1].bitmap()) == bitmap_of(both));
      ASSERT_TRUE(without(bitmap_of(models[0]), sets[1]) ==
                  bitmap_of(models[0]) - bitmap_of(models[1]));
      ASSERT_EQ(sets[0] == sets[1], models[0] == models[1]);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, ChunkSetTest, ::testing::ValuesIn(kKinds),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(ChunkSet, ScatteredChunksRestAsAList) {
  SeededRandom random(1);
  ChunkSet set;
  for (int i = 0; i < 1000; ++i) set.add(static_cast<std::uint32_t>(random.below(1u << 30)));
  EXPECT_FALSE(set.is_list());
  set.rest();
  EXPECT_TRUE(set.is_list());
  EXPECT_LE(set.memory_bytes(), 4 * set.cardinality());
}

TEST(ChunkSet, RangesAndDenseSetsRestAsABitmap) {
  ChunkSet range;
  for (std::uint32_t chunk = 100; chunk < 5000; ++chunk) range.add(chunk);
  EXPECT_TRUE(range.is_list()) << "what is added in order is not sorted in again";
  range.rest();
  EXPECT_FALSE(range.is_list());
  EXPECT_LE(range.memory_bytes(), 128u);
  ChunkSet dense;
  for (std::uint32_t chunk = 0; chunk < 300'000; chunk += 3) dense.add(chunk);
  EXPECT_FALSE(dense.is_list()) << "a long list is not grown any further";
  dense.rest();
  EXPECT_FALSE(dense.is_list());
  EXPECT_LE(dense.memory_bytes(), 50'000u);
}

TEST(ChunkSet, AnEmptySetTakesNothing) {
  ChunkSet set;
  set.add(9);
  set.remove(9);
  set.rest();
  EXPECT_TRUE(set.is_empty());
  EXPECT_EQ(set.memory_bytes(), 0u);
}

}  // namespace
}  // namespace ddsnap::test
