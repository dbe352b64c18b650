// Work on a sequence of jobs by several threads, each of which takes a job from its beginning to
// its end, so that what the job holds stays in the cache of one processor:
//
//     caller's thread   [produce 0][work 0.....][consume 0] [produce 2][work 2.....] [consume 2]
//     another           .          [produce 1][work 1.....] [consume 1] [produce 3] ...
//
// For work that takes about as long as moving its bytes does. Where it takes longer, or where one
// stage waits for a slow device, ordered_pipeline.h lets the stages run ahead of each other.
//
// Shape     produce() is called in order, one call at a time; consume() likewise; work() of several
//           jobs at once. Jobs are used again, so that their buffers are; produce() overwrites what
//           it finds. There is one job a thread. Where threads are not to be had, fewer do it.
// Errors    Those of a plain loop over the jobs: the first in their order wins, and every job
// before
//           it was consumed. kInterrupted before the next job is consumed.
// Threads   Any stage may be called by any of the threads; work() with numbers of workers from 0
// on,
//           one call a number at a time.
// Lifetime  Borrows interruption and stages until run() returns; then no thread is left.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "ddsnap/base/interruption.h"
#include "ddsnap/base/result.h"

namespace ddsnap {

// Requires: Job is default-constructible.
template <class Job>
class TurnPipeline {
 public:
  struct Stages {
    std::function<Result<bool>(Job&)> produce;  // false: there are no more
    std::function<Status(Job&, unsigned worker)> work;
    std::function<Status(Job&)> consume;
  };

  TurnPipeline(unsigned workers, const Interruption& interruption, const Stages& stages)
      : interruption_(interruption), stages_(stages), turn_came_(std::max(workers, 1u)) {}

  // Requires: called once.
  Status run() {
    {
      std::vector<std::jthread> threads;  // joined before the answer is looked at
      start(threads);
      work_all(0);
    }
    return std::move(status_);
  }

 private:
  struct Begun {
    std::uint64_t turn = 0;
    Status status = {};
  };

  // As many as are to be had.
  void start(std::vector<std::jthread>& threads) {
    for (unsigned worker = 1; worker < turn_came_.size(); ++worker) {
      try {
        threads.emplace_back([this, worker] { work_all(worker); });
      } catch (const std::system_error&) {
        return;
      }
    }
  }

  void work_all(unsigned worker) {
    Job job;
    while (std::optional<Begun> begun = begin(job)) {
      Status status = std::move(begun->status);
      if (status) status = stages_.work(job, worker);
      if (!wait_for(begun->turn)) return;
      if (status) status = interruption_.check();
      if (status) status = stages_.consume(job);
      end_turn(std::move(status));
    }
  }

  // The next job and its turn; nothing after the last.
  std::optional<Begun> begin(Job& job) {
    const std::lock_guard lock(produce_mutex_);
    if (is_at_end_) return std::nullopt;
    Result<bool> more = stages_.produce(job);
    is_at_end_ = !more || !*more;
    if (more && !*more) return std::nullopt;
    Begun begun{.turn = begun_++};
    if (!more) begun.status = std::unexpected(std::move(more).error());
    return begun;
  }

  // False: a job before failed, and the work is over.
  bool wait_for(std::uint64_t turn) {
    std::unique_lock lock(turn_mutex_);
    // Of the jobs that are begun and not ended there is one a thread, so no two wait at one place.
    turn_came_[turn % turn_came_.size()].wait(lock, [&] { return turn_ == turn || !status_; });
    return status_.has_value();
  }

  void end_turn(Status status) {
    const std::lock_guard lock(turn_mutex_);
    ++turn_;
    status_ = std::move(status);
    if (status_) return turn_came_[turn_ % turn_came_.size()].notify_one();
    for (std::condition_variable& one : turn_came_) one.notify_one();
  }

  const Interruption& interruption_;
  const Stages& stages_;

  std::mutex produce_mutex_;  // these
  std::uint64_t begun_ = 0;
  bool is_at_end_ = false;

  std::mutex turn_mutex_;   // these
  std::uint64_t turn_ = 0;  // of the job that is to be consumed next
  Status status_;
  std::vector<std::condition_variable> turn_came_;  // one a thread
};

}  // namespace ddsnap
