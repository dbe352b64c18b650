// Shows that changelists survive the file unchanged, are small, that D6 is enforced, that comparing
// two devices names exactly what differs, and that no damaged or lying file is accepted. The golden
// file is the example of DELTA.md.
#include "ddsnap/delta/changelist.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "ddsnap/delta/changelist_file.h"
#include "tests/support/delta_world.h"
#include "tests/support/golden.h"
#include "tests/support/temp_dir.h"

namespace ddsnap::test {
namespace {

Bytes stored(const Changelist& list) {
  MemorySink sink;
  EXPECT_TRUE(write_changelist(sink, list));
  return sink.bytes();
}

Result<Changelist> loaded(const Bytes& bytes) {
  MemorySource source(bytes, false);
  return read_changelist(source);
}

void expect_equal(const Changelist& a, const Changelist& b) {
  EXPECT_EQ(a.from_uuid, b.from_uuid);
  EXPECT_EQ(a.to_uuid, b.to_uuid);
  EXPECT_EQ(a.from_tag, b.from_tag);
  EXPECT_EQ(a.to_tag, b.to_tag);
  EXPECT_EQ(a.from_bytes, b.from_bytes);
  EXPECT_EQ(a.to_bytes, b.to_bytes);
  EXPECT_EQ(a.chunk_shift, b.chunk_shift);
  EXPECT_EQ(a.to_is_now, b.to_is_now);
  EXPECT_EQ(a.ranges, b.ranges);
  EXPECT_EQ(a.before, b.before);
}

Changelist random_list(std::uint64_t seed) {
  SeededRandom random(seed);
  Changelist list;
  list.from_uuid = Uuid::make(random);
  list.to_uuid = Uuid::make(random);
  list.from_tag = "nightly-" + std::to_string(seed);
  list.to_tag = std::string(63, 'x');
  list.from_bytes = list.to_bytes = 1ull << 34;
  list.to_is_now = random.below(2) == 0;
  const std::uint64_t spread = 1 + random.below(300);
  std::uint64_t chunk = random.below(spread);
  for (std::uint64_t i = random.below(500); i > 0; --i) {
    const bool is_known = seed % 3 != 0 && random.below(4) != 0;
    list.append(ChunkNr{static_cast<std::uint32_t>(chunk)},
                is_known ? std::optional(ChunkHash{random.next_u64()}) : std::nullopt);
    chunk += 1 + (random.below(2) ? 0 : random.below(spread));
  }
  return list;
}

// Chunk 1 and chunks 4 to 6 of a volume of 8 chunks of 4 KiB; the hash of chunk 4 is not known.
Changelist example() {
  Changelist list;
  list.from_uuid = *Uuid::parse("00010203-0405-4607-8809-0a0b0c0d0e0f");
  list.to_uuid = *Uuid::parse("10111213-1415-4617-9819-1a1b1c1d1e1f");
  list.from_tag = "0";
  list.to_tag = "1";
  list.from_bytes = list.to_bytes = 32768;
  list.chunk_shift = 12;
  list.append(ChunkNr{1}, ChunkHash{0x1111111111111111});
  list.append(ChunkNr{4}, std::nullopt);
  list.append(ChunkNr{5}, ChunkHash{0x5555555555555555});
  list.append(ChunkNr{6}, ChunkHash{0x6666666666666666});
  return list;
}

TEST(Changelist, SurvivesTheFile) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Changelist list = random_list(seed);
    ASSERT_OK(list.check());
    const auto again = loaded(stored(list));
    ASSERT_OK(again);
    expect_equal(*again, list);
  }
}

TEST(Changelist, GoldenFile) {
  const Bytes bytes = stored(example());
  expect_golden("changelist_v1.hex", bytes);
  const auto again = loaded(bytes);
  ASSERT_OK(again);
  expect_equal(*again, example());
}

TEST(Changelist, TakesAFileNameOnlyWhenComplete) {
  const TempDir dir;
  const std::string path = dir.file("list");
  ASSERT_OK(write_changelist_file(path, example()));
  const auto again = read_changelist_file(path);
  ASSERT_OK(again);
  expect_equal(*again, example());
  Changelist wrong = example();
  wrong.to_bytes += 4096;  // D6: the new chunk is missing
  EXPECT_FALSE(write_changelist_file(path, wrong));
  EXPECT_TRUE(read_changelist_file(path));
  std::size_t names = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(dir.path()))
    ++names;
  EXPECT_EQ(names, 1u) << "a temporary file was left behind";
  EXPECT_EQ(read_changelist_file(dir.file("none")).error().code, ErrorCode::kNotFound);
}

TEST(Changelist, AMillionScatteredChunksOfATebibyteTakeLessThanTwoMegabytes) {
  for (const unsigned chunk_shift : {12u, 14u}) {
    SeededRandom random(1);
    Changelist list;
    list.chunk_shift = chunk_shift;
    list.from_bytes = list.to_bytes = 1ull << 40;
    const std::uint64_t chunks = list.to_geometry().chunk_count();
    Bytes is_changed(chunks / 8);
    for (int i = 0; i < 1'000'000;) {
      const std::uint64_t chunk = random.below(chunks);
      const auto bit = static_cast<std::byte>(1 << (chunk % 8));
      if ((is_changed[chunk / 8] & bit) != std::byte{0}) continue;
      is_changed[chunk / 8] |= bit;
      ++i;
    }
    for (std::uint64_t chunk = 0; chunk < chunks; ++chunk)
      if ((is_changed[chunk / 8] >> (chunk % 8) & std::byte{1}) != std::byte{0})
        list.append(ChunkNr{static_cast<std::uint32_t>(chunk)}, std::nullopt);
    ASSERT_EQ(list.chunk_count(), 1'000'000u);
    EXPECT_LT(stored(list).size(), 2'000'000u);
  }
}

TEST(Changelist, EveryTruncationAndFlippedBitIsFound) {
  Bytes bytes = stored(example());
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    const auto list = loaded(Bytes(bytes.begin(), bytes.begin() + static_cast<long>(length)));
    ASSERT_FALSE(list) << length;
    EXPECT_EQ(list.error().code, ErrorCode::kDamaged);
  }
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] ^= static_cast<std::byte>(1 << (bit % 8));
    EXPECT_FALSE(loaded(bytes)) << "bit " << bit;
    bytes[bit / 8] ^= static_cast<std::byte>(1 << (bit % 8));
  }
  bytes.push_back(std::byte{0});
  EXPECT_FALSE(loaded(bytes));
}

// Checksums are right; the content lies.
TEST(Changelist, LiesAreFound) {
  const auto refuse = [](const std::function<void(Changelist&)>& spoil, const char* text) {
    Changelist list = example();
    spoil(list);
    const auto result = loaded(stored(list));
    ASSERT_FALSE(result) << text;
    EXPECT_NE(result.error().text.find(text), std::string::npos) << result.error().text;
  };
  refuse([](Changelist& l) { l.chunk_shift = 30; }, "not supported");
  refuse([](Changelist& l) { l.chunk_shift = 3; }, "not supported");
  refuse([](Changelist& l) { l.to_bytes = l.from_bytes = ~0ull; }, "more than 2^32 chunks");
  refuse([](Changelist& l) { l.to_bytes = l.from_bytes = 4096; }, "beyond the volume");
  refuse([](Changelist& l) { l.ranges.push_back({{7}, 4000000000}); }, "is wrong");
  refuse([](Changelist& l) { l.to_tag = "a\tb"; }, "no tag");
  refuse([](Changelist& l) { l.to_bytes += 4096; }, "not every chunk from 8");
  refuse([](Changelist& l) { l.to_bytes -= 4096; }, "not every chunk from 7");
  refuse([](Changelist& l) { l.to_bytes += 1; }, "not every chunk from 8");
}

TEST(Changelist, VolumesOfTheLargestSize) {
  Changelist list = full_changelist({12, kMaxChunks << 12}, {}, "all");
  ASSERT_OK(list.check());
  EXPECT_EQ(list.chunk_count(), kMaxChunks);
  const auto again = loaded(stored(list));
  ASSERT_OK(again);
  expect_equal(*again, list);
}

TEST(CompareDevices, NamesWhatDiffersWithItsOldHash) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    SeededRandom random(seed);
    const Pair pair = make_pair_of_volumes(seed, (1 + random.below(400)) * 512,
                                           (1 + random.below(400)) * 512, 12 + seed % 4);
    const Changelist list = pair.list();
    ASSERT_OK(list.check());
    const std::size_t chunk_bytes = std::size_t{1} << pair.chunk_shift;
    ChangelistCursor cursor(list);
    auto item = cursor.next();
    const std::size_t most = std::max(pair.old_bytes.size(), pair.new_bytes.size());
    Bytes old_padded = pair.old_bytes;
    Bytes new_padded = pair.new_bytes;
    old_padded.resize(round_up(most, chunk_bytes));
    new_padded.resize(round_up(most, chunk_bytes));
    for (std::size_t at = 0; at < most; at += chunk_bytes) {
      const bool is_listed = item && std::size_t{item->chunk.value} * chunk_bytes == at;
      const auto old_chunk = std::span(old_padded).subspan(at, chunk_bytes);
      const bool differs = std::memcmp(old_chunk.data(), new_padded.data() + at, chunk_bytes) != 0;
      const bool is_tail =
          pair.old_bytes.size() != pair.new_bytes.size() &&
          at + chunk_bytes > std::min(pair.old_bytes.size(), pair.new_bytes.size());
      EXPECT_EQ(is_listed, differs || is_tail) << "chunk at " << at;
      if (!is_listed) continue;
      EXPECT_EQ(item->before.has_value(), at < pair.old_bytes.size());
      EXPECT_EQ(item->before.value_or(hash_chunk(old_chunk)), hash_chunk(old_chunk));
      item = cursor.next();
    }
    EXPECT_FALSE(item);
  }
}

TEST(CompareDevices, TakesProvenUuids) {
  MemoryDevice a(8192);
  MemoryDevice b(8192);
  a.set_proven_snapshot_uuid("00010203-0405-4607-8809-0a0b0c0d0e0f");
  const auto list = compare_devices(a, b, 12);
  ASSERT_OK(list);
  EXPECT_EQ(list->from_uuid.to_string(), "00010203-0405-4607-8809-0a0b0c0d0e0f");
  EXPECT_TRUE(list->to_uuid.is_nil());
  EXPECT_FALSE(compare_devices(a, b, 3));
}

}  // namespace
}  // namespace ddsnap::test
