// pread and pwrite in the calling thread, one request after another.
//
// Threads   Safe from many threads: it has no state.
#pragma once

#include "ddsnap/io/io_engine.h"

namespace ddsnap {

class SyncEngine final : public IoEngine {
 public:
  void run(const IoFile& file, std::span<IoRequest> requests) override;
};

}  // namespace ddsnap
