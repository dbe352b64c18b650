// How a long piece of work is to be done: with how many threads and how much memory, how fast at
// most, who looks on, and who may end it.
//
// Threads   `interruption` may be asked by all threads of the work; the rest is used by one at a
//           time. A listener is called by one thread at a time, not always by the same.
// Lifetime  Borrows the listener.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "ddsnap/base/interruption.h"
#include "ddsnap/base/limits.h"
#include "ddsnap/base/rate_limit.h"

namespace ddsnap {

// What is done so far. Both counts are of chunks that the work has to deal with.
struct WorkProgress {
  std::uint64_t chunks_done = 0;
  std::uint64_t chunks_total = 0;
  std::uint64_t chunk_bytes = 0;
  std::uint64_t address_bytes = 0;  // on the volume, behind the last chunk that is done
};

class ProgressListener {
 public:
  virtual ~ProgressListener() = default;
  // What the work is called, where that is known only after it began: the newer snapshot's tag.
  virtual void on_name(const std::string& /*tag*/) {}
  // Often; whoever writes something decides how often that is.
  virtual void on_progress(const WorkProgress& progress) = 0;
};

// One for each processor that this process may use.
unsigned default_worker_count();

struct WorkContext {
  Interruption interruption = {};
  RateLimit rate_limit = {};  // of volume content read or written
  ProgressListener* progress = nullptr;
  unsigned workers = default_worker_count();
  std::size_t memory_bytes = kDefaultWorkMemoryBytes;

  void report(const WorkProgress& done) const {
    if (progress != nullptr) progress->on_progress(done);
  }
};

}  // namespace ddsnap
