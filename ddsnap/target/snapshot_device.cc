#include "ddsnap/target/snapshot_device.h"

#include <algorithm>

namespace ddsnap {

Status SnapshotDevice::run(std::span<IoRequest> batch) {
  DD_TRY(check_batch(*this, batch));
  const auto is_read = [](const IoRequest& request) {
    return request.kind == IoRequest::Kind::kRead;
  };
  if (std::ranges::all_of(batch, is_read)) {
    for (IoRequest& request : batch) request.status = {};
    if (target_->read_all(batch)) return {};
  }
  // One by one: there are writes, or something failed and each request wants its own status.
  Status first_failure;
  for (IoRequest& request : batch) {
    const std::span<std::byte> bytes(request.data, request.length_bytes);
    request.status = is_read(request) ? target_->read(request.offset_bytes, bytes)
                                      : target_->write(request.offset_bytes, bytes);
    if (!request.status && first_failure) first_failure = request.status;
  }
  return first_failure;
}

}  // namespace ddsnap
