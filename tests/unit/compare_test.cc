// Shows that comparing finds exactly the chunks that differ, with the hash that each had before: of
// devices in memory and of sparse files, of equal and other sizes, with one
// thread and several, against a loop over the bytes; that a digest stands for the old device, is
// the same however zeros are stored, is the golden file, and that no damage to it goes unseen.
// Randomness comes from printed seeds.
#include "ddsnap/delta/compare.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "ddsnap/delta/digest_device.h"
#include "ddsnap/delta/digest_reader.h"
#include "ddsnap/io/file_device.h"
#include "tests/support/delta_world.h"
#include "tests/support/golden.h"
#include "tests/support/temp_dir.h"

namespace ddsnap::test {
namespace {

#ifdef DDSNAP_SANITIZED
constexpr std::uint64_t kRounds = 20;
#else
constexpr std::uint64_t kRounds = 80;
#endif

Bytes chunk_of(const Bytes& bytes, std::uint64_t chunk, std::size_t chunk_bytes) {
  Bytes padded(chunk_bytes);
  const std::size_t start = std::min<std::size_t>(chunk * chunk_bytes, bytes.size());
  const std::size_t length = std::min(chunk_bytes, bytes.size() - start);
  std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(start), length, padded.begin());
  return padded;
}

// The plain way.
Changelist expected_list(const Pair& pair) {
  Changelist list;
  list.from_bytes = pair.old_bytes.size();
  list.to_bytes = pair.new_bytes.size();
  list.chunk_shift = pair.chunk_shift;
  const std::size_t chunk_bytes = std::size_t{1} << pair.chunk_shift;
  const std::uint64_t old_count = list.from_geometry().chunk_count();
  const std::uint64_t count = std::max(old_count, list.to_geometry().chunk_count());
  for (std::uint32_t chunk = 0; chunk < count; ++chunk) {
    const bool is_tail = list.from_bytes != list.to_bytes &&
                         (std::uint64_t{chunk} + 1) * chunk_bytes > list.smaller_bytes();
    const Bytes old_chunk = chunk_of(pair.old_bytes, chunk, chunk_bytes);
    if (!is_tail && old_chunk == chunk_of(pair.new_bytes, chunk, chunk_bytes)) continue;
    list.append({chunk}, chunk < old_count ? std::optional(hash_chunk(old_chunk)) : std::nullopt);
  }
  return list;
}

void expect_same(const Changelist& found, const Changelist& wanted) {
  EXPECT_EQ(found.from_bytes, wanted.from_bytes);
  EXPECT_EQ(found.to_bytes, wanted.to_bytes);
  EXPECT_EQ(found.ranges, wanted.ranges);
  EXPECT_EQ(found.before, wanted.before);
  ASSERT_OK(found.check());
}

WorkContext with_workers(unsigned workers) {
  WorkContext context;
  context.workers = workers;
  return context;
}

Bytes digest_of(BlockDevice& device, unsigned chunk_shift) {
  MemorySink sink;
  WorkContext context = with_workers(2);
  const auto made = digest_device(device, chunk_shift, 1'700'000'000'000'000'000, context, sink);
  EXPECT_TRUE(made) << made.error().text;
  return sink.bytes();
}

Result<Changelist> with_digest(const Bytes& digest, BlockDevice& device) {
  MemorySource source(digest, false);
  WorkContext context = with_workers(2);
  return compare_with_digest(source, device, context);
}

// A file with holes where there are zeros; sometimes some zeros are written.
std::unique_ptr<FileDevice> sparse_file(const TempDir& dir, const std::string& name,
                                        const Bytes& bytes, SeededRandom& random) {
  const UniqueFd fd(::open(dir.file(name).c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  EXPECT_EQ(::ftruncate(fd.get(), static_cast<off_t>(bytes.size())), 0);
  for (std::size_t at = 0; at < bytes.size(); at += 4096) {
    const auto block = std::span(bytes).subspan(at, std::min<std::size_t>(4096, bytes.size() - at));
    if (is_all_zero(block) && random.below(8) != 0) continue;
    EXPECT_EQ(::pwrite(fd.get(), block.data(), block.size(), static_cast<off_t>(at)),
              static_cast<ssize_t>(block.size()));
  }
  auto device = FileDevice::open(dir.file(name), {});
  EXPECT_TRUE(device) << device.error().text;
  return *std::move(device);
}

Pair random_pair(std::uint64_t seed) {
  SeededRandom random(seed);
  const unsigned chunk_shift = 12 + static_cast<unsigned>(random.below(3));
  const std::size_t old_size = random.below(400) * 512;
  const std::size_t new_size = random.below(2) ? old_size : random.below(400) * 512;
  return make_pair_of_volumes(seed, old_size, new_size, chunk_shift);
}

void expect_compared(const Pair& pair, BlockDevice& from, BlockDevice& to, unsigned workers) {
  WorkContext context = with_workers(workers);
  const auto list = compare_devices(from, to, pair.chunk_shift, context);
  ASSERT_OK(list);
  expect_same(*list, expected_list(pair));
}

void expect_same_by_digest(const Pair& pair, const Bytes& digest, BlockDevice& to) {
  const auto by_digest = with_digest(digest, to);
  ASSERT_OK(by_digest);
  expect_same(*by_digest, expected_list(pair));
}

TEST(Compare, DevicesInMemory) {
  for (std::uint64_t seed = 1; seed <= kRounds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Pair pair = random_pair(seed);
    const auto from = device_of(pair.old_bytes);
    const auto to = device_of(pair.new_bytes);
    expect_compared(pair, *from, *to, 1 + seed % 3);
    expect_same_by_digest(pair, digest_of(*from, pair.chunk_shift), *to);
  }
}

TEST(Compare, SparseFiles) {
  const TempDir dir;
  for (std::uint64_t seed = 1; seed <= kRounds / 2; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    SeededRandom random(seed);
    const Pair pair = random_pair(seed);
    const auto from = sparse_file(dir, "old", pair.old_bytes, random);
    const auto to = sparse_file(dir, "new", pair.new_bytes, random);
    expect_compared(pair, *from, *to, 2);
    const Bytes digest = digest_of(*from, pair.chunk_shift);
    EXPECT_TRUE(digest == digest_of(*device_of(pair.old_bytes), pair.chunk_shift))
        << "how zeros are stored must not matter";
    expect_same_by_digest(pair, digest, *to);
  }
}

// More than one piece.
TEST(Compare, Files) {
  const TempDir dir;
  SeededRandom random(5);
  const Pair pair = make_pair_of_volumes(5, 5 << 20, (6 << 20) + 512);
  const auto from = sparse_file(dir, "old", pair.old_bytes, random);
  const auto to = sparse_file(dir, "new", pair.new_bytes, random);
  for (const unsigned workers : {0u, 1u, 4u}) {
    expect_compared(pair, *from, *to, workers);
  }
  expect_same_by_digest(pair, digest_of(*from, pair.chunk_shift), *to);
}

// More than one region, and nothing but a few chunks in them.
TEST(Compare, LargeSparseFiles) {
  const TempDir dir;
  const std::uint64_t size = (std::uint64_t{1} << 40) + 512;
  const std::uint64_t places[] = {0, 5 << 20, (std::uint64_t{3} << 30) + 4096, size - 512};
  for (const char* name : {"old", "new"}) {
    const UniqueFd fd(::open(dir.file(name).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    ASSERT_EQ(::ftruncate(fd.get(), static_cast<off_t>(size)), 0);
    for (const std::uint64_t place : places)
      ASSERT_EQ(::pwrite(fd.get(), name, 3, static_cast<off_t>(place)), 3);
  }
  const auto from = FileDevice::open(dir.file("old"), {});
  const auto to = FileDevice::open(dir.file("new"), {});
  ASSERT_OK(from);
  ASSERT_OK(to);
  const auto list = compare_devices(**from, **to, 14);
  ASSERT_OK(list);
  std::vector<ChunkRange> wanted;
  for (const std::uint64_t place : places)
    wanted.push_back({{static_cast<std::uint32_t>(place >> 14)}, 1});
  EXPECT_EQ(list->ranges, wanted);
  const Bytes digest = digest_of(**from, 14);
  EXPECT_LT(digest.size(), 1000u);
  const auto by_digest = with_digest(digest, **to);
  ASSERT_OK(by_digest);
  EXPECT_EQ(by_digest->ranges, wanted);
}

TEST(Compare, StopsWhenInterrupted) {
  int fds[2];
  ASSERT_EQ(::pipe2(fds, O_CLOEXEC), 0);
  const UniqueFd write_end(fds[1]);
  ASSERT_EQ(::write(fds[1], "x", 1), 1);
  WorkContext context;
  context.interruption = Interruption(UniqueFd(fds[0]));
  const auto device = device_of(Bytes(1 << 20));
  EXPECT_EQ(compare_devices(*device, *device, 12, context).error().code, ErrorCode::kInterrupted);
}

// At a byte a second it would take days; interrupted, it does not.
TEST(Compare, KeepsToItsRateLimit) {
  int fds[2];
  ASSERT_EQ(::pipe2(fds, O_CLOEXEC), 0);
  const UniqueFd write_end(fds[1]);
  WorkContext context;
  context.interruption = Interruption(UniqueFd(fds[0]));
  context.rate_limit = RateLimit(1);
  const auto device = device_of(Bytes(16 << 20, std::byte{1}));
  std::thread interrupter([&] { EXPECT_EQ(::write(fds[1], "x", 1), 1); });
  EXPECT_EQ(compare_devices(*device, *device, 12, context).error().code, ErrorCode::kInterrupted);
  interrupter.join();
}

// On this the changelist of a digest rests: it knows the old hash of every chunk.
TEST(Compare, ShortHashIsALowerHalf) {
  SeededRandom random(1);
  for (const std::size_t size : {4096, 16384, 1 << 20}) {
    const Bytes bytes = random_bytes(random, size);
    EXPECT_EQ(XXH3_64bits(bytes.data(), size), XXH3_128bits(bytes.data(), size).low64);
  }
}

Bytes small_digest() {
  Bytes bytes(6 * 4096 + 512);
  std::fill_n(bytes.begin(), 4096, std::byte{'A'});
  std::fill_n(bytes.begin() + 4096, 4096, std::byte{'B'});
  bytes.back() = std::byte{'C'};
  const auto device = device_of(bytes);
  device->set_proven_snapshot_uuid("00010203-0405-4607-8809-0a0b0c0d0e0f");
  return digest_of(*device, 12);
}

TEST(Digest, IsTheGoldenFile) {
  expect_golden("digest_v1.hex", small_digest());
}

TEST(Digest, NoDamageGoesUnseen) {
  const Bytes good = small_digest();
  const auto device = device_of(Bytes(6 * 4096 + 512));
  ASSERT_OK(with_digest(good, *device));
  for (std::size_t at = 0; at < good.size(); ++at) {
    Bytes bad = good;
    bad[at] ^= std::byte{0x10};
    const auto list = with_digest(bad, *device);
    ASSERT_FALSE(list) << at;
    EXPECT_TRUE(list.error().code == ErrorCode::kDamaged ||
                list.error().code == ErrorCode::kVersion)
        << list.error().text;
    EXPECT_FALSE(
        with_digest(Bytes(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(at)), *device))
        << at;
  }
  Bytes longer = good;
  longer.push_back(std::byte{0});
  EXPECT_FALSE(with_digest(longer, *device));
}

}  // namespace
}  // namespace ddsnap::test
