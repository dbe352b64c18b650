// FaultDevice: which fault fires for which operation, and what then happens below.
#include "tests/support/fault_device.h"

#include <fmt/format.h>

#include <algorithm>

namespace ddsnap::test {

namespace {

constexpr std::string_view kOpNames[kDeviceOps] = {"read",    "write",        "flush",
                                                   "discard", "write_zeroes", "extents"};

bool touches(ByteRange a, ByteRange b) {
  return a.offset_bytes < b.end_bytes() && b.offset_bytes < a.end_bytes();
}

bool matches(const Fault& fault, DeviceOp op, ByteRange range) {
  if (fault.op ? *fault.op != op : op == DeviceOp::kExtents) return false;
  return !fault.range || touches(*fault.range, range);
}

}  // namespace

bool is_injected(const Error& error) {
  return error.text.find(kInjectedText) != std::string::npos;
}

void FaultDevice::inject(const Fault& fault) {
  const std::lock_guard lock(mutex_);
  planned_.push_back({fault, 0});
}

void FaultDevice::heal() {
  const std::lock_guard lock(mutex_);
  planned_.clear();
}

std::uint64_t FaultDevice::fired() const {
  const std::lock_guard lock(mutex_);
  return fired_;
}

std::optional<Fault> FaultDevice::strike(DeviceOp op, ByteRange range) {
  const std::lock_guard lock(mutex_);
  std::optional<Fault> struck;
  for (Planned& planned : planned_) {
    if (!matches(planned.fault, op, range)) continue;
    const std::uint64_t number = planned.seen++;
    const bool fires =
        planned.fault.is_forever ? number >= planned.fault.after : number == planned.fault.after;
    if (fires && !struck) struck = planned.fault;
  }
  if (struck) ++fired_;
  return struck;
}

Status FaultDevice::failure(DeviceOp op, ByteRange range, const Fault& fault) const {
  return fail_errno(kInjectedText,
                    fmt::format("{} of {} bytes at {} on {}", kOpNames[static_cast<int>(op)],
                                range.length_bytes, range.offset_bytes, name()),
                    fault.sys_errno);
}

void FaultDevice::land_part(const IoRequest& request, Fault::Landed landed) {
  if (request.kind != IoRequest::Kind::kWrite || landed == Fault::Landed::kNothing) return;
  std::size_t length = request.length_bytes;
  if (landed == Fault::Landed::kFirstHalf) length = round_down(length / 2, geometry().block_bytes);
  // The caller is told of the injected failure; what happens below does not matter any more.
  (void)next_.write_at(request.offset_bytes, {request.data, length});
}

Status FaultDevice::run(std::span<IoRequest> batch) {
  DD_TRY(admit_batch(*this, batch));
  std::vector<IoRequest> healthy;
  std::vector<std::size_t> healthy_index;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const auto fault = strike(op_of(batch[i]), range_of(batch[i]));
    if (fault) {
      land_part(batch[i], fault->landed);
      batch[i].status = failure(op_of(batch[i]), range_of(batch[i]), *fault);
    } else {
      healthy.push_back(batch[i]);
      healthy_index.push_back(i);
    }
  }
  if (healthy.size() == batch.size()) return next_.run(batch);
  (void)next_.run(healthy);  // the statuses are copied back one by one
  for (std::size_t i = 0; i < healthy.size(); ++i)
    batch[healthy_index[i]].status = std::move(healthy[i].status);
  const auto failed = std::ranges::find_if(batch, [](const IoRequest& r) { return !r.status; });
  return failed->status;
}

Status FaultDevice::flush() {
  if (const auto fault = strike(DeviceOp::kFlush, {})) return failure(DeviceOp::kFlush, {}, *fault);
  return next_.flush();
}

Status FaultDevice::discard(ByteRange range) {
  if (const auto fault = strike(DeviceOp::kDiscard, range))
    return failure(DeviceOp::kDiscard, range, *fault);
  return next_.discard(range);
}

Status FaultDevice::write_zeroes(ByteRange range) {
  const auto fault = strike(DeviceOp::kWriteZeroes, range);
  if (!fault) return next_.write_zeroes(range);
  ByteRange landed = range;
  if (fault->landed == Fault::Landed::kFirstHalf)
    landed.length_bytes = round_down(range.length_bytes / 2, geometry().block_bytes);
  if (fault->landed != Fault::Landed::kNothing) (void)next_.write_zeroes(landed);
  return failure(DeviceOp::kWriteZeroes, range, *fault);
}

Result<std::vector<Extent>> FaultDevice::extents(ByteRange range) {
  if (const auto fault = strike(DeviceOp::kExtents, range))
    return std::unexpected(failure(DeviceOp::kExtents, range, *fault).error());
  return next_.extents(range);
}

}  // namespace ddsnap::test
