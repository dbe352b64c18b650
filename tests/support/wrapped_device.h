// The base of every wrapper: the same interface plus `next_`, to which everything is handed on.
//
// Threads   As the device below.
// Lifetime  Borrows the device below for its whole life.
#pragma once

#include <string>
#include <vector>

#include "ddsnap/io/block_device.h"

namespace ddsnap::test {

// What may be done to a device, for plans of faults and for traces.
enum class DeviceOp { kRead, kWrite, kFlush, kDiscard, kWriteZeroes, kExtents };
inline constexpr int kDeviceOps = 6;

inline DeviceOp op_of(const IoRequest& request) {
  return request.kind == IoRequest::Kind::kRead ? DeviceOp::kRead : DeviceOp::kWrite;
}
inline ByteRange range_of(const IoRequest& request) {
  return {request.offset_bytes, request.length_bytes};
}

class WrappedDevice : public BlockDevice {
 public:
  explicit WrappedDevice(BlockDevice& next) : next_(next) {}

  const DeviceGeometry& geometry() const override { return next_.geometry(); }
  const std::string& name() const override { return next_.name(); }
  Status run(std::span<IoRequest> batch) override { return next_.run(batch); }
  Status flush() override { return next_.flush(); }
  Status discard(ByteRange range) override { return next_.discard(range); }
  Status write_zeroes(ByteRange range) override { return next_.write_zeroes(range); }
  Result<std::vector<Extent>> extents(ByteRange range) override { return next_.extents(range); }
  std::string proven_snapshot_uuid() const override { return next_.proven_snapshot_uuid(); }

 protected:
  BlockDevice& next_;
};

}  // namespace ddsnap::test
