#include "ddsnap/io/thread_engine.h"

#include <algorithm>
#include <csignal>

#include "ddsnap/base/limits.h"

namespace ddsnap {

// Signals are for the program's own threads: the pool blocks them all, which it inherits.
ThreadEngine::ThreadEngine() {
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  for (std::uint32_t i = 0; i < kIoPoolThreads; ++i) threads_.emplace_back([this] { work(); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

ThreadEngine::~ThreadEngine() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  work_waits_.notify_all();
}

// Takes the next request of the batch and does it without the lock. Requires: the lock is held and
// the batch has one left.
void ThreadEngine::do_one(Batch& batch, std::unique_lock<std::mutex>& lock) {
  IoRequest& request = batch.requests[batch.taken++];
  if (batch.taken == batch.requests.size()) std::erase(batches_, &batch);
  lock.unlock();
  request.status = transfer_rest(batch.file, request, 0);
  lock.lock();
  // Under the lock to the end: the batch lives on the stack of a caller who may leave after it.
  if (++batch.done == batch.requests.size()) batch.all_done.notify_one();
}

void ThreadEngine::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    work_waits_.wait(lock, [this] { return is_stopping_ || !batches_.empty(); });
    if (is_stopping_) return;
    do_one(*batches_.front(), lock);
  }
}

void ThreadEngine::run(const IoFile& file, std::span<IoRequest> requests) {
  if (requests.empty()) return;
  Batch batch{.file = file, .requests = requests};
  std::unique_lock lock(mutex_);
  batches_.push_back(&batch);
  if (requests.size() > threads_.size())
    work_waits_.notify_all();
  else
    for (std::size_t i = 1; i < requests.size(); ++i) work_waits_.notify_one();
  while (batch.taken < requests.size()) do_one(batch, lock);
  batch.all_done.wait(lock, [&] { return batch.done == requests.size(); });
}

}  // namespace ddsnap
