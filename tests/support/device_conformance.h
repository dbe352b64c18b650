// The conformance suite: what block_device.h promises, to be shown of every implementation.
//
// Shape     A test file includes this header and says
//               INSTANTIATE_TEST_SUITE_P(All, BlockDeviceTest, ::testing::ValuesIn(backends),
//                                        backend_name);
//           Included by test files only: the tests are defined here.
// Source    The one suite for every backend is restic's idea.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "ddsnap/base/aligned_buffer.h"
#include "ddsnap/base/random.h"
#include "ddsnap/io/block_device.h"
#include "tests/support/device_subject.h"

namespace ddsnap::test {

#define DD_ASSERT_OK(...)                                  \
  do {                                                     \
    const auto ok_result = (__VA_ARGS__);                  \
    ASSERT_TRUE(ok_result) << ok_result.error().message(); \
  } while (false)

class BlockDeviceTest : public ::testing::TestWithParam<Backend> {
 protected:
  static constexpr std::uint64_t kSeed = 20260101;
  static constexpr std::size_t kUnitBytes = 4096;  // a multiple of every backend's block

  using Bytes = std::vector<std::byte>;

  static Bytes random_bytes(std::size_t size, std::uint64_t seed) {
    Bytes bytes(size);
    SeededRandom(seed).fill(bytes);
    return bytes;
  }

  static Bytes read_all(BlockDevice& device) {
    Bytes all(device.size_bytes());
    const Status status = device.read_at(0, all);
    EXPECT_TRUE(status) << status.error().message();
    return all;
  }

  void SetUp() override {
    auto made = GetParam().make();
    if (!made) GTEST_SKIP() << made.error().message();
    subject_ = std::move(*made);
    device_ = &subject_->device();
    block_ = device_->geometry().block_bytes;
  }

  // Writes known content everywhere and returns it.
  Bytes fill_device() {
    Bytes content = random_bytes(device_->size_bytes(), kSeed);
    const Status status = device_->write_at(0, content);
    EXPECT_TRUE(status) << status.error().message();
    return content;
  }

  std::unique_ptr<Subject> subject_;
  BlockDevice* device_ = nullptr;
  std::uint32_t block_ = 0;
};

TEST_P(BlockDeviceTest, GeometryIsSane) {
  const DeviceGeometry& geometry = device_->geometry();
  EXPECT_GE(geometry.size_bytes, 2u << 20);
  EXPECT_EQ(kUnitBytes % geometry.block_bytes, 0u);
  EXPECT_GE(geometry.physical_bytes, geometry.block_bytes);
  EXPECT_EQ(geometry.size_bytes % geometry.block_bytes != 0,
            GetParam().has_partial_block && geometry.block_bytes > 1);
  EXPECT_FALSE(device_->name().empty());
}

TEST_P(BlockDeviceTest, NewDeviceIsZeroAndKeepsWhatIsWritten) {
  EXPECT_EQ(read_all(*device_), Bytes(device_->size_bytes()));
  const Bytes data = random_bytes(3 * kUnitBytes, kSeed);
  DD_ASSERT_OK(device_->write_at(5 * kUnitBytes, data));
  Bytes back(data.size());
  DD_ASSERT_OK(device_->read_at(5 * kUnitBytes, back));
  EXPECT_EQ(back, data);
  Bytes expected(device_->size_bytes());
  std::ranges::copy(data, expected.begin() + 5 * kUnitBytes);
  EXPECT_EQ(read_all(*device_), expected);
  DD_ASSERT_OK(device_->flush());
  EXPECT_EQ(read_all(*device_), expected);
}

TEST_P(BlockDeviceTest, EmptyBatchAndEmptyRequestDoNothing) {
  const Bytes content = fill_device();
  DD_ASSERT_OK(device_->run({}));
  std::byte nothing{};
  DD_ASSERT_OK(device_->read_at(0, {&nothing, 0}));
  DD_ASSERT_OK(device_->write_at(device_->size_bytes() / kUnitBytes * kUnitBytes, {&nothing, 0}));
  DD_ASSERT_OK(device_->discard({0, 0}));
  DD_ASSERT_OK(device_->write_zeroes({0, 0}));
  EXPECT_EQ(read_all(*device_), content);
}

// More requests than any queue is deep, in a shuffled order.
TEST_P(BlockDeviceTest, BatchesOfHundreds) {
  Bytes expected = fill_device();
  const std::size_t units = 500;
  ASSERT_LE(units * kUnitBytes, device_->size_bytes());
  std::vector<std::size_t> order(units);
  for (std::size_t i = 0; i < units; ++i) order[i] = i;
  SeededRandom random(kSeed);
  for (std::size_t i = units; i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);

  const Bytes data = random_bytes(units * kUnitBytes, kSeed + 1);
  std::vector<IoRequest> writes, reads;
  Bytes back(data.size());
  for (const std::size_t unit : order) {
    const std::size_t at = unit * kUnitBytes;
    writes.push_back(IoRequest::write(at, std::span(data).subspan(at, kUnitBytes)));
    reads.push_back(IoRequest::read(at, std::span(back).subspan(at, kUnitBytes)));
  }
  DD_ASSERT_OK(device_->run(writes));
  DD_ASSERT_OK(device_->run(reads));
  for (const IoRequest& request : writes) EXPECT_TRUE(request.status);
  for (const IoRequest& request : reads) EXPECT_TRUE(request.status);
  EXPECT_EQ(back, data);
  std::ranges::copy(data, expected.begin());
  EXPECT_EQ(read_all(*device_), expected);
}

TEST_P(BlockDeviceTest, ReadsAndWritesInOneBatch) {
  const Bytes content = fill_device();
  const Bytes data = random_bytes(kUnitBytes, kSeed + 2);
  Bytes back(kUnitBytes);
  std::vector<IoRequest> batch = {IoRequest::write(0, data), IoRequest::read(kUnitBytes, back)};
  DD_ASSERT_OK(device_->run(batch));
  EXPECT_TRUE(std::ranges::equal(back, std::span(content).subspan(kUnitBytes, kUnitBytes)));
}

TEST_P(BlockDeviceTest, MemoryOfAnyAlignment) {
  Bytes expected = fill_device();
  for (const std::size_t skew : {0u, 1u, 3u, 8u, 64u, 512u}) {
    AlignedBuffer memory(2 * kUnitBytes + skew);
    const auto data = memory.span().subspan(skew, 2 * kUnitBytes);
    SeededRandom(kSeed + skew).fill(data);
    DD_ASSERT_OK(device_->write_at(kUnitBytes, data));
    std::ranges::copy(data, expected.begin() + kUnitBytes);
    AlignedBuffer back(2 * kUnitBytes + skew);
    const auto into = back.span().subspan(skew, 2 * kUnitBytes);
    DD_ASSERT_OK(device_->read_at(kUnitBytes, into));
    EXPECT_TRUE(std::ranges::equal(data, into)) << "skew " << skew;
  }
  EXPECT_EQ(read_all(*device_), expected);
}

TEST_P(BlockDeviceTest, OutOfRangeIsRefusedWhole) {
  const Bytes content = fill_device();
  const std::uint64_t size = device_->size_bytes();
  const std::uint64_t last_unit = (size - 1) / kUnitBytes * kUnitBytes;
  Bytes buffer(2 * kUnitBytes);
  const std::span<std::byte> one = std::span(buffer).first(kUnitBytes);
  for (const std::uint64_t offset :
       {last_unit + kUnitBytes, size + kUnitBytes, ~std::uint64_t{0} - kUnitBytes + 1}) {
    std::vector<IoRequest> batch = {IoRequest::write(0, one), IoRequest::read(offset, one)};
    const Status status = device_->run(batch);
    ASSERT_FALSE(status) << offset;
    EXPECT_EQ(status.error().code, ErrorCode::kUsage);
    for (const IoRequest& request : batch) EXPECT_FALSE(request.status);
  }
  EXPECT_FALSE(device_->write_at(last_unit, buffer));
  EXPECT_FALSE(device_->discard({last_unit, 2 * kUnitBytes}));
  EXPECT_FALSE(device_->write_zeroes({last_unit, 2 * kUnitBytes}));
  EXPECT_FALSE(device_->extents({last_unit, 2 * kUnitBytes}));
  EXPECT_FALSE(device_->extents({kUnitBytes, ~std::uint64_t{0}}));
  EXPECT_EQ(read_all(*device_), content);
}

TEST_P(BlockDeviceTest, OffBlocksIsRefused) {
  if (block_ == 1) GTEST_SKIP() << "every offset is on a block";
  const Bytes content = fill_device();
  Bytes buffer(block_);
  EXPECT_EQ(device_->read_at(1, buffer).error().code, ErrorCode::kUsage);
  EXPECT_EQ(device_->write_at(block_ / 2, buffer).error().code, ErrorCode::kUsage);
  EXPECT_EQ(device_->write_at(0, std::span(buffer).first(block_ - 1)).error().code,
            ErrorCode::kUsage);
  EXPECT_EQ(read_all(*device_), content);
}

TEST_P(BlockDeviceTest, LastPartialBlock) {
  if (!GetParam().has_partial_block) GTEST_SKIP() << "this backend has whole blocks only";
  Bytes expected = fill_device();
  const std::uint64_t size = device_->size_bytes();
  const std::uint64_t tail = size / kUnitBytes * kUnitBytes;
  ASSERT_LT(tail, size);
  // Alone, and together with whole blocks before it, and both ways in turn.
  for (const std::uint64_t offset : {tail, tail - 2 * kUnitBytes, tail}) {
    const Bytes data = random_bytes(size - offset, kSeed + offset);
    DD_ASSERT_OK(device_->write_at(offset, data));
    std::ranges::copy(data, expected.begin() + static_cast<std::ptrdiff_t>(offset));
    Bytes back(size - offset);
    DD_ASSERT_OK(device_->read_at(offset, back));
    EXPECT_EQ(back, data);
    const Bytes before = random_bytes(kUnitBytes, kSeed + 9);
    DD_ASSERT_OK(device_->write_at(tail - kUnitBytes, before));
    std::ranges::copy(before, expected.begin() + static_cast<std::ptrdiff_t>(tail - kUnitBytes));
    ASSERT_EQ(read_all(*device_), expected);
  }
  DD_ASSERT_OK(device_->flush());
  DD_ASSERT_OK(device_->write_zeroes({tail, size - tail}));
  std::fill(expected.begin() + static_cast<std::ptrdiff_t>(tail), expected.end(), std::byte{0});
  EXPECT_EQ(read_all(*device_), expected);
  EXPECT_EQ(device_->size_bytes(), size);
}

TEST_P(BlockDeviceTest, ZeroesExactlyTheRange) {
  Bytes expected = fill_device();
  const ByteRange ranges[] = {{0, block_}, {3 * kUnitBytes, 100 * kUnitBytes}, {1 << 20, block_}};
  for (const ByteRange range : ranges) {
    DD_ASSERT_OK(device_->write_zeroes(range));
    std::fill_n(expected.begin() + static_cast<std::ptrdiff_t>(range.offset_bytes),
                range.length_bytes, std::byte{0});
  }
  EXPECT_EQ(read_all(*device_), expected);
}

TEST_P(BlockDeviceTest, DiscardTouchesNothingOutside) {
  const Bytes content = fill_device();
  const ByteRange range{16 * kUnitBytes, 32 * kUnitBytes};
  DD_ASSERT_OK(device_->discard(range));
  const Bytes now = read_all(*device_);
  const auto at = [](std::uint64_t offset) { return static_cast<std::ptrdiff_t>(offset); };
  EXPECT_TRUE(std::equal(content.begin(), content.begin() + at(range.offset_bytes), now.begin()));
  EXPECT_TRUE(std::equal(content.begin() + at(range.end_bytes()), content.end(),
                         now.begin() + at(range.end_bytes())));
}

TEST_P(BlockDeviceTest, ExtentsCoverTheRangeAndTellTheTruth) {
  DD_ASSERT_OK(device_->write_at(64 * kUnitBytes, random_bytes(8 * kUnitBytes, kSeed)));
  DD_ASSERT_OK(device_->flush());
  const Bytes all = read_all(*device_);
  const std::uint64_t size = device_->size_bytes();
  for (const ByteRange range : {ByteRange{0, size}, ByteRange{66 * kUnitBytes, kUnitBytes},
                                ByteRange{kUnitBytes, 100 * kUnitBytes}, ByteRange{0, 0}}) {
    const auto extents = device_->extents(range);
    DD_ASSERT_OK(extents);
    std::uint64_t at = range.offset_bytes;
    for (const Extent& extent : *extents) {
      EXPECT_EQ(extent.range.offset_bytes, at);
      EXPECT_GT(extent.range.length_bytes, 0u);
      at = extent.range.end_bytes();
      if (extent.kind != Extent::Kind::kZero) continue;
      for (std::uint64_t i = extent.range.offset_bytes; i < at; ++i)
        ASSERT_EQ(all[i], std::byte{0}) << "data was called zero at " << i;
    }
    EXPECT_EQ(at, range.end_bytes());
  }
}

TEST_P(BlockDeviceTest, ReadOnlyRefusesEveryChange) {
  const Bytes content = fill_device();
  DD_ASSERT_OK(device_->flush());
  const auto read_only = subject_->read_only_device();
  if (!read_only) GTEST_SKIP() << read_only.error().message();
  BlockDevice& device = **read_only;
  EXPECT_EQ(device.write_at(0, Bytes(kUnitBytes)).error().code, ErrorCode::kUsage);
  EXPECT_EQ(device.discard({0, kUnitBytes}).error().code, ErrorCode::kUsage);
  EXPECT_EQ(device.write_zeroes({0, kUnitBytes}).error().code, ErrorCode::kUsage);
  DD_ASSERT_OK(device.flush());
  EXPECT_EQ(read_all(device), content);
}

// Each thread owns a stripe, writes it in batches and reads it back, while the others do the same.
TEST_P(BlockDeviceTest, ConcurrentCallers) {
  if (!GetParam().is_concurrent) GTEST_SKIP() << "the caller serialises this backend";
  constexpr std::size_t kThreads = 4, kUnits = 100, kRounds = 4;
  std::vector<int> good(kThreads);
  const auto work = [&](std::size_t thread) {
    for (std::size_t round = 0; round < kRounds; ++round) {
      const Bytes data = random_bytes(kUnits * kUnitBytes, kSeed + thread * kRounds + round);
      Bytes back(data.size());
      std::vector<IoRequest> writes, reads;
      for (std::size_t i = 0; i < kUnits; ++i) {
        const std::uint64_t offset = (i * kThreads + thread) * kUnitBytes;
        writes.push_back(
            IoRequest::write(offset, std::span(data).subspan(i * kUnitBytes, kUnitBytes)));
        reads.push_back(
            IoRequest::read(offset, std::span(back).subspan(i * kUnitBytes, kUnitBytes)));
      }
      if (!device_->run(writes) || !device_->flush() || !device_->run(reads)) return;
      if (back == data) ++good[thread];
    }
  };
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < kThreads; ++i) threads.emplace_back(work, i);
  }
  EXPECT_EQ(good, std::vector<int>(kThreads, kRounds));
}

}  // namespace ddsnap::test
