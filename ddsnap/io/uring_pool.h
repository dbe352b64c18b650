// io_uring for several threads: a ring for each run() that is under way.
//
// Shape     Rings are made when all others are busy and kept for later; one thread never needs more
//           than the first. Where another ring is not to be had, that batch is done synchronously.
// Errors    make(): as UringEngine::make().
// Threads   Safe from several threads, which do not wait for each other.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "ddsnap/io/io_engine.h"
#include "ddsnap/io/uring_engine.h"

namespace ddsnap {

class UringPool final : public IoEngine {
 public:
  static Result<std::unique_ptr<UringPool>> make();
  void run(const IoFile& file, std::span<IoRequest> requests) override;

 private:
  using Ring = std::unique_ptr<UringEngine>;

  UringPool() = default;
  Ring take_ring();
  void give_back(Ring ring);

  std::mutex mutex_;
  std::vector<Ring> idle_;  // guarded by mutex_
};

}  // namespace ddsnap
