// MemoryDevice: each operation, on pages that are shared until written.
#include "tests/support/memory_device.h"

#include <mutex>

namespace ddsnap::test {

MemoryDevice::MemoryDevice(std::uint64_t size_bytes, std::string name)
    : MemoryDevice(DeviceGeometry{.size_bytes = size_bytes}, std::move(name)) {}

MemoryDevice::MemoryDevice(const DeviceGeometry& geometry, std::string name)
    : MemoryDevice(geometry, CowBytes(geometry.size_bytes), std::move(name)) {}

MemoryDevice::MemoryDevice(const DeviceGeometry& geometry, CowBytes content, std::string name)
    : geometry_(geometry), name_(std::move(name)), bytes_(std::move(content)) {
  DD_CHECK(bytes_.size() == geometry_.size_bytes);
}

Status MemoryDevice::check_writable() const {
  if (is_read_only_) return fail(ErrorCode::kUsage, name_ + " is open read-only");
  return {};
}

Status MemoryDevice::run(std::span<IoRequest> batch) {
  DD_TRY(admit_batch(*this, batch, !is_read_only_));
  for (const IoRequest& request : batch) {
    if (request.kind == IoRequest::Kind::kRead) {
      const std::shared_lock lock(mutex_);
      bytes_.read(request.offset_bytes, {request.data, request.length_bytes});
    } else {
      const std::unique_lock lock(mutex_);
      bytes_.write(request.offset_bytes, {request.data, request.length_bytes});
    }
  }
  return {};
}

Status MemoryDevice::discard(ByteRange range) {
  DD_TRY(check_range(*this, range));
  DD_TRY(check_writable());
  const std::unique_lock lock(mutex_);
  bytes_.fill(range.offset_bytes, range.length_bytes, kDiscardedByte);
  return {};
}

Status MemoryDevice::write_zeroes(ByteRange range) {
  DD_TRY(check_range(*this, range));
  DD_TRY(check_writable());
  const std::unique_lock lock(mutex_);
  bytes_.fill(range.offset_bytes, range.length_bytes, std::byte{0});
  return {};
}

Result<std::vector<Extent>> MemoryDevice::extents(ByteRange range) {
  DD_TRY(check_range(*this, range));
  const std::shared_lock lock(mutex_);
  std::vector<Extent> found;
  const std::uint64_t end = range.end_bytes();
  for (std::uint64_t offset = range.offset_bytes; offset < end;) {
    const std::uint64_t page_end = round_down(offset, CowBytes::kPageBytes) + CowBytes::kPageBytes;
    const std::uint64_t piece = std::min(page_end, end) - offset;
    const auto kind = bytes_.is_hole(offset) ? Extent::Kind::kZero : Extent::Kind::kData;
    if (!found.empty() && found.back().kind == kind)
      found.back().range.length_bytes += piece;
    else
      found.push_back({{offset, piece}, kind});
    offset += piece;
  }
  return found;
}

CowBytes MemoryDevice::content() const {
  const std::shared_lock lock(mutex_);
  return bytes_;
}

void MemoryDevice::set_content(CowBytes content) {
  DD_CHECK(content.size() == geometry_.size_bytes);
  const std::unique_lock lock(mutex_);
  bytes_ = std::move(content);
}

}  // namespace ddsnap::test
