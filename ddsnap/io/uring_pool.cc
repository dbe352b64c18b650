#include "ddsnap/io/uring_pool.h"

#include <utility>

namespace ddsnap {

Result<std::unique_ptr<UringPool>> UringPool::make() {
  std::unique_ptr<UringPool> pool(new UringPool);
  pool->give_back(DD_TRY(UringEngine::make()));
  return pool;
}

void UringPool::run(const IoFile& file, std::span<IoRequest> requests) {
  if (Ring ring = take_ring()) {
    ring->run(file, requests);
    return give_back(std::move(ring));
  }
  for (IoRequest& request : requests) request.status = transfer_rest(file, request, 0);
}

UringPool::Ring UringPool::take_ring() {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      Ring ring = std::move(idle_.back());
      idle_.pop_back();
      return ring;
    }
  }
  auto made = UringEngine::make();
  return made ? *std::move(made) : nullptr;
}

void UringPool::give_back(Ring ring) {
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(ring));
}

}  // namespace ddsnap
