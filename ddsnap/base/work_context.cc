#include "ddsnap/base/work_context.h"

#include <algorithm>
#include <thread>

namespace ddsnap {

unsigned default_worker_count() {
  return std::clamp(std::thread::hardware_concurrency(), 1u, kMaxWorkers);
}

}  // namespace ddsnap
