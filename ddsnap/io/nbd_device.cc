#include "ddsnap/io/nbd_device.h"

#include <fmt/format.h>
#include <libnbd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstdlib>

#include "ddsnap/base/limits.h"
#include "ddsnap/io/export_description.h"
#include "ddsnap/io/extent_list.h"
#include "ddsnap/io/nbd_batch.h"

namespace ddsnap {

namespace {

constexpr std::array<std::string_view, 6> kSchemes = {
    "nbd:", "nbds:", "nbd+unix:", "nbds+unix:", "nbd+vsock:", "nbds+vsock:"};

// Calls act(offset, length) for pieces of at most max_bytes; stops at the first error.
template <class Act>
Status in_pieces(ByteRange range, std::uint64_t max_bytes, Act act) {
  while (range.length_bytes > 0) {
    const std::uint64_t piece = std::min(range.length_bytes, max_bytes);
    DD_TRY(act(range.offset_bytes, piece));
    range.offset_bytes += piece;
    range.length_bytes -= piece;
  }
  return {};
}

// libnbd's callback for block status: pairs of (length, flags) from the asked offset on.
int add_extents(void* user_data, const char* context, std::uint64_t offset_bytes,
                std::uint32_t* entries, std::size_t entry_count, int*) {
  auto& list = *static_cast<ExtentList*>(user_data);
  if (std::string_view(context) != LIBNBD_CONTEXT_BASE_ALLOCATION) return 0;
  std::uint64_t end = offset_bytes;
  for (std::size_t i = 0; i + 1 < entry_count; i += 2) {
    end += entries[i];
    const bool is_zero = (entries[i + 1] & LIBNBD_STATE_ZERO) != 0;
    list.extend_to(end, is_zero ? Extent::Kind::kZero : Extent::Kind::kData);
  }
  return 0;
}

}  // namespace

bool is_nbd_uri(std::string_view name) {
  return std::ranges::any_of(kSchemes,
                             [&](std::string_view scheme) { return name.starts_with(scheme); });
}

void NbdDevice::CloseHandle::operator()(nbd_handle* handle) const {
  if (nbd_aio_is_ready(handle) == 1) nbd_shutdown(handle, 0);  // says goodbye
  nbd_close(handle);
}

Result<std::unique_ptr<NbdDevice>> NbdDevice::open(const std::string& uri, DeviceAccess access) {
  Handle handle(nbd_create());
  if (!handle) return fail_errno("cannot prepare to open", uri, nbd_get_errno());
  nbd_handle* const raw = handle.get();
  const bool is_set = nbd_set_full_info(raw, true) == 0 &&
                      nbd_set_pread_initialize(raw, false) == 0 &&  // a failed read is not used
                      nbd_add_meta_context(raw, LIBNBD_CONTEXT_BASE_ALLOCATION) == 0;
  if (!is_set || nbd_connect_uri(raw, uri.c_str()) != 0)
    return fail(ErrorCode::kDisconnected, fmt::format("cannot open {}: {}", uri, nbd_get_error()));
  std::unique_ptr<NbdDevice> device(new NbdDevice(uri, std::move(handle), access));
  DD_TRY(device->learn_geometry());
  DD_TRY(device->learn_features(access));
  return device;
}

NbdDevice::NbdDevice(std::string name, Handle handle, DeviceAccess access)
    : name_(std::move(name)),
      handle_(std::move(handle)),
      is_writable_(access == DeviceAccess::kReadWrite) {}

NbdDevice::~NbdDevice() = default;

Status NbdDevice::error(std::string_view what) const {
  return nbd_error(handle_.get(), what, name_);
}

Status NbdDevice::learn_geometry() {
  nbd_handle* const handle = handle_.get();
  const std::int64_t size = nbd_get_size(handle);
  if (size < 0) return error("cannot ask for the size of");
  geometry_.size_bytes = static_cast<std::uint64_t>(size);
  const auto told = [&](int which) {
    return static_cast<std::uint64_t>(std::max<std::int64_t>(nbd_get_block_size(handle, which), 0));
  };
  const std::uint64_t minimum = told(LIBNBD_SIZE_MINIMUM), preferred = told(LIBNBD_SIZE_PREFERRED);
  // The protocol allows powers of two up to 64 KiB; whoever says otherwise is taken at nothing.
  const bool is_sane = std::has_single_bit(minimum) && minimum <= (64u << 10);
  geometry_.block_bytes = is_sane ? static_cast<std::uint32_t>(minimum) : 1;
  geometry_.physical_bytes = static_cast<std::uint32_t>(
      std::clamp<std::uint64_t>(preferred, std::max(geometry_.block_bytes, 512u), 1u << 20));
  const std::uint64_t maximum = told(LIBNBD_SIZE_MAXIMUM);
  max_transfer_bytes_ = kMaxNbdTransferBytes;
  if (maximum >= geometry_.block_bytes && maximum < max_transfer_bytes_)
    max_transfer_bytes_ = round_down(maximum, geometry_.block_bytes);
  return {};
}

Status NbdDevice::learn_features(DeviceAccess access) {
  nbd_handle* const handle = handle_.get();
  if (access == DeviceAccess::kReadWrite && nbd_is_read_only(handle) == 1)
    return fail(ErrorCode::kUsage, name_ + " is served read-only");
  can_flush_ = nbd_can_flush(handle) == 1;
  can_trim_ = nbd_can_trim(handle) == 1;
  can_zero_ = nbd_can_zero(handle) == 1;
  can_tell_extents_ = nbd_can_meta_context(handle, LIBNBD_CONTEXT_BASE_ALLOCATION) == 1;
  // Many servers describe nothing; then nothing is proven.
  if (char* const description = nbd_get_export_description(handle)) {
    proven_uuid_ = uuid_of_export_description(description);
    std::free(description);
  }
  return {};
}

Status NbdDevice::run(std::span<IoRequest> batch) {
  const std::lock_guard turn(turn_);
  DD_TRY(admit_batch(*this, batch, is_writable_));
  NbdBatch(handle_.get(), name_, batch, max_transfer_bytes_).run();
  for (const IoRequest& request : batch)
    if (!request.status) return request.status;
  return {};
}

Status NbdDevice::flush() {
  const std::lock_guard turn(turn_);
  if (!can_flush_ || !is_writable_) return {};
  if (nbd_flush(handle_.get(), 0) != 0) return error("cannot flush");
  return {};
}

Status NbdDevice::check_changeable(ByteRange range) const {
  DD_TRY(check_range(*this, range));
  if (!is_writable_) return fail(ErrorCode::kUsage, name_ + " is open read-only");
  return {};
}

Status NbdDevice::discard(ByteRange range) {
  const std::lock_guard turn(turn_);
  DD_TRY(check_changeable(range));
  if (!can_trim_) return {};
  return in_pieces(range, kMaxNbdRangeBytes, [&](std::uint64_t offset, std::uint64_t length) {
    if (nbd_trim(handle_.get(), length, offset, 0) == 0) return Status{};
    return nbd_get_errno() == EOPNOTSUPP ? Status{} : error("cannot discard on");
  });
}

Status NbdDevice::write_zeroes(ByteRange range) {
  const std::lock_guard turn(turn_);
  DD_TRY(check_changeable(range));
  if (!can_zero_) return BlockDevice::write_zeroes(range);
  // Servers without the command's fast path turn it into a write of this length.
  return in_pieces(range, kMaxNbdTransferBytes, [&](std::uint64_t offset, std::uint64_t length) {
    if (nbd_zero(handle_.get(), length, offset, 0) == 0) return Status{};
    if (nbd_get_errno() == EOPNOTSUPP) return BlockDevice::write_zeroes({offset, length});
    return error("cannot write zeroes to");
  });
}

Result<std::vector<Extent>> NbdDevice::extents(ByteRange range) {
  const std::lock_guard turn(turn_);
  if (!can_tell_extents_) return BlockDevice::extents(range);
  DD_TRY(check_range(*this, range));
  ExtentList list(range);
  while (!list.is_complete()) {
    const std::uint64_t offset = list.at_bytes();
    const std::uint64_t length = std::min(range.end_bytes() - offset, kMaxNbdRangeBytes);
    const nbd_extent_callback callback{
        .callback = add_extents, .user_data = &list, .free = nullptr};
    if (nbd_block_status(handle_.get(), length, offset, callback, 0) != 0)
      return std::unexpected(error("cannot ask for the extents of").error());
    if (list.at_bytes() == offset)
      return fail(ErrorCode::kIo, name_ + " answered a question for extents with nothing");
  }
  return std::move(list).take();
}

}  // namespace ddsnap
