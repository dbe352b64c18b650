// Shows that the fault injector fails exactly what it was told to: the Nth operation, once or for
// ever, by kind and by range, one request of a batch alone, and that the "until none fires" loop
// ends. The trace wrapper is shown on the way: what it lists is what was handed down.

#include "tests/support/fault_device.h"

#include <gtest/gtest.h>

#include "tests/support/memory_device.h"
#include "tests/support/trace_device.h"

namespace ddsnap::test {
namespace {

constexpr std::uint64_t kSizeBytes = 64 << 10;

class FaultDeviceTest : public ::testing::Test {
 protected:
  MemoryDevice memory_{kSizeBytes};
  TraceDevice trace_{memory_};
  FaultDevice device_{trace_};
  std::vector<std::byte> block_ = std::vector<std::byte>(512, std::byte{1});
};

TEST_F(FaultDeviceTest, NthOnce) {
  device_.inject({.op = DeviceOp::kWrite, .after = 1, .sys_errno = ENOSPC});
  EXPECT_TRUE(device_.write_at(0, block_));
  const Status failed = device_.write_at(512, block_);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, ErrorCode::kNoSpace);
  EXPECT_EQ(failed.error().sys_errno, ENOSPC);
  EXPECT_TRUE(is_injected(failed.error()));
  EXPECT_TRUE(device_.write_at(512, block_));
  EXPECT_EQ(device_.fired(), 1u);
  EXPECT_EQ(trace_.count(DeviceOp::kWrite), 2u) << "the failed write reached the device";
}

TEST_F(FaultDeviceTest, ForEverUntilHealed) {
  device_.inject({.op = DeviceOp::kFlush, .after = 1, .is_forever = true});
  EXPECT_TRUE(device_.flush());
  EXPECT_FALSE(device_.flush());
  EXPECT_FALSE(device_.flush());
  EXPECT_TRUE(device_.write_at(0, block_));
  device_.heal();
  EXPECT_TRUE(device_.flush());
  EXPECT_EQ(device_.fired(), 2u);
}

TEST_F(FaultDeviceTest, RangeHitsOneRequestOfABatch) {
  device_.inject({.op = DeviceOp::kRead, .range = ByteRange{1024, 512}, .is_forever = true});
  ASSERT_TRUE(memory_.write_at(512, block_));
  std::vector<std::byte> into(2048);
  const std::span<std::byte> all(into);
  std::vector<IoRequest> batch = {IoRequest::read(0, all.subspan(0, 512)),
                                  IoRequest::read(1024, all.subspan(512, 512)),
                                  IoRequest::read(512, all.subspan(1024, 512))};
  EXPECT_FALSE(device_.run(batch));
  EXPECT_TRUE(batch[0].status);
  EXPECT_FALSE(batch[1].status);
  EXPECT_TRUE(batch[2].status);
  EXPECT_EQ(into[1024], std::byte{1});
  EXPECT_FALSE(device_.read_at(0, all)) << "a request that covers the range fails too";
}

TEST_F(FaultDeviceTest, FailedWriteLandsAsTold) {
  const std::vector<std::byte> data(2048, std::byte{7});
  device_.inject({.op = DeviceOp::kWrite, .landed = Fault::Landed::kFirstHalf});
  EXPECT_FALSE(device_.write_at(0, data));
  std::vector<std::byte> now(2048);
  ASSERT_TRUE(device_.read_at(0, now));
  EXPECT_EQ(now[1023], std::byte{7});
  EXPECT_EQ(now[1024], std::byte{0});
  device_.inject({.op = DeviceOp::kWrite, .landed = Fault::Landed::kAll});
  EXPECT_FALSE(device_.write_at(0, data));
  ASSERT_TRUE(device_.read_at(0, now));
  EXPECT_EQ(now, data);
}

TEST_F(FaultDeviceTest, UntilNoneFires) {
  std::uint64_t visited = 0;
  for (std::uint64_t n = 0;; ++n) {
    FaultDevice device(memory_);
    device.inject({.after = n});
    std::vector<std::byte> into(512);
    const bool works = device.write_at(0, block_) && device.flush() && device.read_at(0, into) &&
                       device.discard({0, 512}) && device.write_zeroes({0, 512});
    EXPECT_EQ(works, device.fired() == 0);
    if (device.fired() == 0) break;
    ++visited;
  }
  EXPECT_EQ(visited, 5u);
}

TEST_F(FaultDeviceTest, TraceListsWhatWasDone) {
  std::vector<std::byte> into(512);
  std::vector<IoRequest> batch = {IoRequest::write(0, block_), IoRequest::read(512, into)};
  ASSERT_TRUE(trace_.run(batch));
  ASSERT_TRUE(trace_.flush());
  const std::vector<TraceEntry> expected = {
      {DeviceOp::kWrite, {0, 512}, 0}, {DeviceOp::kRead, {512, 512}, 0}, {DeviceOp::kFlush, {}, 1}};
  EXPECT_EQ(trace_.entries(), expected);
  EXPECT_EQ(trace_.total(DeviceOp::kWrite).bytes, 512u);
  trace_.clear();
  EXPECT_TRUE(trace_.entries().empty());
}

}  // namespace
}  // namespace ddsnap::test
