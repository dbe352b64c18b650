// TraceDevice: each operation, written down before it is handed on.
#include "tests/support/trace_device.h"

namespace ddsnap::test {

// Requires: mutex_ is held.
void TraceDevice::note(DeviceOp op, ByteRange range) {
  entries_.push_back({op, range, batches_});
  TraceTotal& total = totals_[static_cast<std::size_t>(op)];
  ++total.operations;
  total.bytes += range.length_bytes;
}

Status TraceDevice::run(std::span<IoRequest> batch) {
  {
    const std::lock_guard lock(mutex_);
    for (const IoRequest& request : batch) note(op_of(request), range_of(request));
    ++batches_;
  }
  return next_.run(batch);
}

Status TraceDevice::flush() {
  {
    const std::lock_guard lock(mutex_);
    note(DeviceOp::kFlush, {});
    ++batches_;
  }
  return next_.flush();
}

Status TraceDevice::discard(ByteRange range) {
  {
    const std::lock_guard lock(mutex_);
    note(DeviceOp::kDiscard, range);
    ++batches_;
  }
  return next_.discard(range);
}

Status TraceDevice::write_zeroes(ByteRange range) {
  {
    const std::lock_guard lock(mutex_);
    note(DeviceOp::kWriteZeroes, range);
    ++batches_;
  }
  return next_.write_zeroes(range);
}

Result<std::vector<Extent>> TraceDevice::extents(ByteRange range) {
  {
    const std::lock_guard lock(mutex_);
    note(DeviceOp::kExtents, range);
    ++batches_;
  }
  return next_.extents(range);
}

std::vector<TraceEntry> TraceDevice::entries() const {
  const std::lock_guard lock(mutex_);
  return entries_;
}

TraceTotal TraceDevice::total(DeviceOp op) const {
  const std::lock_guard lock(mutex_);
  return totals_[static_cast<std::size_t>(op)];
}

void TraceDevice::clear() {
  const std::lock_guard lock(mutex_);
  entries_.clear();
  totals_ = {};
  batches_ = 0;
}

}  // namespace ddsnap::test
