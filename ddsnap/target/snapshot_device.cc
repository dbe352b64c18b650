#include "ddsnap/target/snapshot_device.h"

namespace ddsnap {

Status SnapshotDevice::run(std::span<IoRequest> batch) {
  DD_TRY(check_batch(*this, batch));
  Status first_failure;
  for (IoRequest& request : batch) {
    const std::span<std::byte> bytes(request.data, request.length_bytes);
    request.status = request.kind == IoRequest::Kind::kRead
                         ? target_->read(request.offset_bytes, bytes)
                         : target_->write(request.offset_bytes, bytes);
    if (!request.status && first_failure) first_failure = request.status;
  }
  return first_failure;
}

}  // namespace ddsnap
