#include "ddsnap/target/origin_device.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

namespace ddsnap {

// A first write waits for the flush of its copy-out; many at once share one (group commit).
constexpr std::size_t kMaxThreads = 16;

OriginDevice::OriginDevice(std::string name, std::unique_ptr<OriginTarget> target)
    : name_(std::move(name)), target_(std::move(target)), geometry_(target_->device_geometry()) {
  geometry_.size_bytes = target_->geometry().volume_bytes;
}

Status OriginDevice::run(std::span<IoRequest> batch) {
  DD_TRY(check_batch(*this, batch));
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    for (std::size_t i; (i = next++) < batch.size();) run_one(batch[i]);
  };
  {
    std::vector<std::jthread> others;
    for (std::size_t i = 1; i < std::min(batch.size(), kMaxThreads); ++i) others.emplace_back(work);
    work();
  }
  for (const IoRequest& request : batch)
    if (!request.status) return request.status;
  return {};
}

void OriginDevice::run_one(IoRequest& request) {
  const std::span<std::byte> bytes(request.data, request.length_bytes);
  request.status = request.kind == IoRequest::Kind::kRead
                       ? target_->read(request.offset_bytes, bytes)
                       : target_->write(request.offset_bytes, bytes, Durability::kLater);
}

}  // namespace ddsnap
