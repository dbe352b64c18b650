// Shows that reading a file leaves the page cache as it was: pages that were not there are gone
// again, one that was there stays. Skipped where pages cannot be let go (tmpfs).
#include "ddsnap/io/cache_footprint.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>

#include "ddsnap/io/file_device.h"
#include "tests/support/temp_dir.h"

namespace ddsnap {
namespace {

constexpr std::size_t kPageBytes = 4096;
constexpr std::size_t kFileBytes = 256 * kPageBytes + 100;

class CacheFootprintTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::sysconf(_SC_PAGESIZE) != kPageBytes) GTEST_SKIP() << "pages of another size";
    std::ofstream(path_) << std::string(kFileBytes, 'x');
    fd_ = UniqueFd(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
    ASSERT_EQ(::fsync(fd_.get()), 0);
    footprint_ = CacheFootprint::of(fd_.get(), kFileBytes);
    ASSERT_NE(footprint_, nullptr);
    footprint_->drop(std::vector<ByteRange>{{0, kFileBytes}});
    if (absent_bytes() < kFileBytes) GTEST_SKIP() << "pages stay in the cache of this file system";
  }
  std::uint64_t absent_bytes() {
    std::vector<std::byte> bytes(kFileBytes);
    const IoRequest all = IoRequest::read(0, bytes);
    std::uint64_t sum = 0;
    for (const ByteRange& range : footprint_->absent({&all, 1})) sum += range.length_bytes;
    return sum;
  }

  test::TempDir dir_;
  const std::string path_ = dir_.file("volume");
  UniqueFd fd_;
  std::unique_ptr<CacheFootprint> footprint_;
};

TEST_F(CacheFootprintTest, WhatAReadBroughtInIsLetGo) {
  char one = 0;
  ASSERT_EQ(::pread(fd_.get(), &one, 1, 10 * kPageBytes), 1);  // somebody else's page
  const std::uint64_t absent = absent_bytes();
  ASSERT_EQ(absent, 256 * kPageBytes);
  auto device = FileDevice::open(path_, {.leaves_cache_alone = true});
  ASSERT_TRUE(device);
  std::vector<std::byte> bytes(kFileBytes);
  ASSERT_TRUE((*device)->read_at(0, bytes));
  EXPECT_EQ(bytes.back(), std::byte{'x'});
  EXPECT_EQ(absent_bytes(), absent);

  const IoRequest all = IoRequest::read(0, bytes);
  EXPECT_FALSE(footprint_->has_all({&all, 1}));
  const IoRequest two = IoRequest::read(10 * kPageBytes, std::span(bytes).first(2 * kPageBytes));
  EXPECT_FALSE(footprint_->has_all({&two, 1}));

  auto usual = FileDevice::open(path_, {});
  ASSERT_TRUE(usual);
  ASSERT_TRUE((*usual)->read_at(0, bytes));
  EXPECT_EQ(absent_bytes(), 0u);
  if (!footprint_->has_all({&all, 1})) GTEST_SKIP() << "this kernel has no cachestat()";
  std::ranges::fill(bytes, std::byte{});
  ASSERT_TRUE((*device)->read_at(0, bytes));
  EXPECT_TRUE(std::ranges::all_of(bytes, [](std::byte one) { return one == std::byte{'x'}; }));
}

}  // namespace
}  // namespace ddsnap
