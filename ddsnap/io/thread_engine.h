// Many requests in flight by a pool of threads: for kernels that forbid io_uring.
//
// Shape     The calling thread takes part, so a batch of one costs no switch of threads. The
//           threads start with the engine and end with it.
// Threads   Safe from many threads; their batches share the pool.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "ddsnap/io/io_engine.h"

namespace ddsnap {

class ThreadEngine final : public IoEngine {
 public:
  ThreadEngine();
  ~ThreadEngine() override;

  void run(const IoFile& file, std::span<IoRequest> requests) override;

 private:
  struct Batch {
    const IoFile& file;
    std::span<IoRequest> requests;
    std::size_t taken = 0;
    std::size_t done = 0;
    std::condition_variable all_done = {};
  };

  void work();
  void do_one(Batch& batch, std::unique_lock<std::mutex>& lock);

  std::mutex mutex_;
  std::condition_variable work_waits_;
  std::deque<Batch*> batches_;  // guarded by mutex_: those with requests that nobody has taken
  bool is_stopping_ = false;    // guarded by mutex_
  std::vector<std::jthread> threads_;
};

}  // namespace ddsnap
