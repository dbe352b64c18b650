#include "ddsnap/target/origin_device.h"

namespace ddsnap {

OriginDevice::OriginDevice(std::string name, std::unique_ptr<OriginTarget> target)
    : name_(std::move(name)), target_(std::move(target)), geometry_(target_->device_geometry()) {
  geometry_.size_bytes = target_->geometry().volume_bytes;
}

Status OriginDevice::run(std::span<IoRequest> batch) {
  DD_TRY(check_batch(*this, batch));
  Status first_failure;
  for (IoRequest& request : batch) {
    const std::span<std::byte> bytes(request.data, request.length_bytes);
    request.status = request.kind == IoRequest::Kind::kRead
                         ? target_->read(request.offset_bytes, bytes)
                         : target_->write(request.offset_bytes, bytes, Durability::kLater);
    if (!request.status && first_failure) first_failure = request.status;
  }
  return first_failure;
}

}  // namespace ddsnap
