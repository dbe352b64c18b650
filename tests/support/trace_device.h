// A wrapper that writes down every operation that reaches the device below.
//
// Shape     One entry a request of a batch, one an operation otherwise, in order of submission.
//           flush() has an empty range. An entry is made before the operation is handed on, so
//           failed ones are there too.
// Threads   Safe as far as the device below is.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "tests/support/wrapped_device.h"

namespace ddsnap::test {

struct TraceEntry {
  DeviceOp op = DeviceOp::kRead;
  ByteRange range;
  std::uint64_t batch = 0;  // requests of one run() share it; every other call has its own
  friend bool operator==(const TraceEntry&, const TraceEntry&) = default;
};

struct TraceTotal {
  std::uint64_t operations = 0;
  std::uint64_t bytes = 0;
};

class TraceDevice final : public WrappedDevice {
 public:
  using WrappedDevice::WrappedDevice;

  Status run(std::span<IoRequest> batch) override;
  Status flush() override;
  Status discard(ByteRange range) override;
  Status write_zeroes(ByteRange range) override;
  Result<std::vector<Extent>> extents(ByteRange range) override;

  std::vector<TraceEntry> entries() const;
  TraceTotal total(DeviceOp op) const;
  std::uint64_t count(DeviceOp op) const { return total(op).operations; }
  void clear();

 private:
  void note(DeviceOp op, ByteRange range);

  mutable std::mutex mutex_;
  std::vector<TraceEntry> entries_;              // guarded by mutex_
  std::array<TraceTotal, kDeviceOps> totals_{};  // guarded by mutex_
  std::uint64_t batches_ = 0;                    // guarded by mutex_
};

}  // namespace ddsnap::test
