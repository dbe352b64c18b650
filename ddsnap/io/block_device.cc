#include "ddsnap/io/block_device.h"

#include <fmt/format.h>

#include <algorithm>

#include "ddsnap/base/aligned_buffer.h"
#include "ddsnap/base/limits.h"

namespace ddsnap {

namespace {

Status check_request(const BlockDevice& device, const IoRequest& request) {
  const DeviceGeometry& geometry = device.geometry();
  const std::uint64_t offset = request.offset_bytes;
  const std::uint64_t length = request.length_bytes;
  const char* verb = request.kind == IoRequest::Kind::kRead ? "read" : "write";
  if (offset > geometry.size_bytes || length > geometry.size_bytes - offset)
    return fail(ErrorCode::kUsage,
                fmt::format("{}: {} of {} bytes at {} ends beyond the device's {} bytes",
                            device.name(), verb, length, offset, geometry.size_bytes));
  const bool ends_on_block =
      length % geometry.block_bytes == 0 || offset + length == geometry.size_bytes;
  if (offset % geometry.block_bytes != 0 || !ends_on_block)
    return fail(ErrorCode::kUsage,
                fmt::format("{}: {} of {} bytes at {} is not on blocks of {} bytes", device.name(),
                            verb, length, offset, geometry.block_bytes));
  return {};
}

}  // namespace

Status check_batch(const BlockDevice& device, std::span<const IoRequest> batch) {
  for (const IoRequest& request : batch) DD_TRY(check_request(device, request));
  return {};
}

Status admit_batch(const BlockDevice& device, std::span<IoRequest> batch, bool is_writable) {
  Status admitted = check_batch(device, batch);
  const auto is_write = [](const IoRequest& request) {
    return request.kind == IoRequest::Kind::kWrite;
  };
  if (admitted && !is_writable && std::ranges::any_of(batch, is_write))
    admitted = fail(ErrorCode::kUsage, device.name() + " is open read-only");
  for (IoRequest& request : batch) request.status = admitted;
  return admitted;
}

Status check_range(const BlockDevice& device, ByteRange range) {
  const std::uint64_t size = device.size_bytes();
  if (range.offset_bytes <= size && range.length_bytes <= size - range.offset_bytes) return {};
  return fail(ErrorCode::kUsage,
              fmt::format("{}: {} bytes at {} end beyond the device's {} bytes", device.name(),
                          range.length_bytes, range.offset_bytes, size));
}

Status BlockDevice::discard(ByteRange range) {
  return check_range(*this, range);
}

Status BlockDevice::will_read(std::span<const ByteRange> ranges) {
  for (const ByteRange& range : ranges) DD_TRY(check_range(*this, range));
  return {};
}

Status BlockDevice::write_zeroes(ByteRange range) {
  DD_TRY(check_range(*this, range));
  const AlignedBuffer zeros(std::min<std::uint64_t>(range.length_bytes, kZeroBufferBytes));
  while (range.length_bytes > 0) {
    const std::size_t piece = std::min<std::uint64_t>(range.length_bytes, zeros.size());
    DD_TRY(write_at(range.offset_bytes, zeros.span().first(piece)));
    range.offset_bytes += piece;
    range.length_bytes -= piece;
  }
  return {};
}

Result<std::vector<Extent>> BlockDevice::extents(ByteRange range) {
  DD_TRY(check_range(*this, range));
  if (range.length_bytes == 0) return std::vector<Extent>{};
  return std::vector<Extent>{{range, Extent::Kind::kData}};
}

Status BlockDevice::read_at(std::uint64_t offset_bytes, std::span<std::byte> into) {
  IoRequest request = IoRequest::read(offset_bytes, into);
  return run({&request, 1});
}

Status BlockDevice::write_at(std::uint64_t offset_bytes, std::span<const std::byte> from) {
  IoRequest request = IoRequest::write(offset_bytes, from);
  return run({&request, 1});
}

}  // namespace ddsnap
