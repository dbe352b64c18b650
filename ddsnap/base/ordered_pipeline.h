// Work on a sequence of jobs by several threads: one produces them, some work on them, and they are
// consumed one after the other in the order in which they were produced.
//
//     produce --(job 7)--> [ 6 | 5 | 4 ] --(in any order)--> [ 3 | 2 ] --(job 1)--> consume
//     own thread                 `workers` threads                        caller's thread
//
// Units     Bytes of memory that jobs say to hold.
// Shape     Jobs are used again, so that their buffers are; produce() overwrites what it finds. Of
//           the jobs that are produced and not consumed yet there are at most max_jobs, and they
//           hold at most memory_bytes if max_job_bytes tells the truth and one job has room there.
// Errors    Those of a plain loop over the jobs: the first in their order wins, whoever finished
//           first, and every job before it was consumed. kInterrupted as soon as asked for, once
//           the stages that are under way have returned.
// Threads   See above; produce() and consume() are never called twice at once, work() is, with
//           numbers of workers from 0 on, one call a number at a time.
// Lifetime  Borrows interruption and stages until run() returns; then no thread is left.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "ddsnap/base/interruption.h"
#include "ddsnap/base/result.h"

namespace ddsnap {

struct PipelineLimits {
  unsigned workers = 1;
  std::size_t memory_bytes = 0;
  std::size_t max_jobs = 16;
  std::size_t max_job_bytes = 0;  // 0: not known, and one job may exceed what is left
};

// Requires: Job is default-constructible and has weight_bytes(), what it holds once produced and
// worked on.
template <class Job>
class OrderedPipeline {
 public:
  struct Stages {
    std::function<Result<bool>(Job&)> produce;  // false: there are no more
    std::function<Status(Job&, unsigned worker)> work;
    std::function<Status(Job&)> consume;
  };

  OrderedPipeline(const PipelineLimits& limits, const Interruption& interruption, Stages& stages)
      : limits_(limits), interruption_(interruption), stages_(stages) {}

  // Requires: called once.
  Status run() {
    std::vector<std::jthread> threads;  // joined before anything that they use goes away
    Status status = start(threads);
    if (status) status = consume_all();
    stop();
    return status;
  }

 private:
  struct Slot {
    Job job = {};
    std::size_t weight_bytes = 0;
    bool is_done = false;
    Status status = {};
  };
  using SlotPtr = std::unique_ptr<Slot>;

  Status start(std::vector<std::jthread>& threads) {
    try {
      threads.emplace_back([this] { produce_all(); });
      for (unsigned worker = 0; worker < std::max(limits_.workers, 1u); ++worker)
        threads.emplace_back([this, worker] { work_all(worker); });
    } catch (const std::system_error& error) {
      return fail_errno("cannot start", "a thread", error.code().value());
    }
    return {};
  }

  void stop() {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
    may_produce_.notify_all();
    may_work_.notify_all();
  }

  void produce_all() {
    while (SlotPtr slot = wait_for_room()) {
      Result<bool> more = stages_.produce(slot->job);
      const std::lock_guard lock(mutex_);
      if (!more || !*more) {
        end_ = more ? Status{} : Status(std::unexpected(std::move(more).error()));
        may_work_.notify_all();
        may_consume_.notify_all();
        return;
      }
      slot->weight_bytes = slot->job.weight_bytes();
      in_flight_bytes_ += slot->weight_bytes;
      line_.push_back(std::move(slot));
      may_work_.notify_one();
    }
  }

  // A slot to fill; none when the work is over.
  SlotPtr wait_for_room() {
    std::unique_lock lock(mutex_);
    may_produce_.wait(lock, [this] {
      const std::size_t next_bytes = std::max<std::size_t>(1, limits_.max_job_bytes);
      const bool has_room = in_flight_bytes_ + next_bytes <= limits_.memory_bytes &&
                            in_flight_ < std::max<std::size_t>(1, limits_.max_jobs);
      return is_stopping_ || in_flight_ == 0 || has_room;
    });
    if (is_stopping_) return nullptr;
    ++in_flight_;
    if (spare_.empty()) return std::make_unique<Slot>();
    SlotPtr slot = std::move(spare_.back());
    spare_.pop_back();
    return slot;
  }

  void work_all(unsigned worker) {
    std::unique_lock lock(mutex_);
    for (;;) {
      may_work_.wait(lock, [this] { return is_stopping_ || taken_ < line_.size() || end_; });
      if (is_stopping_ || taken_ == line_.size()) return;
      Slot& slot = *line_[taken_++];
      lock.unlock();
      Status status = stages_.work(slot.job, worker);
      lock.lock();
      slot.status = std::move(status);
      slot.is_done = true;
      if (line_.front().get() == &slot) may_consume_.notify_all();
    }
  }

  Status consume_all() {
    for (;;) {
      DD_TRY(interruption_.check());
      SlotPtr slot = wait_for_next();
      if (slot == nullptr) return *end_;
      DD_TRY(std::move(slot->status));
      DD_TRY(stages_.consume(slot->job));
      give_back(std::move(slot));
    }
  }

  // The next job in order, when it is worked on; none after the last.
  SlotPtr wait_for_next() {
    std::unique_lock lock(mutex_);
    may_consume_.wait(lock,
                      [this] { return line_.empty() ? end_.has_value() : line_.front()->is_done; });
    if (line_.empty()) return nullptr;
    SlotPtr slot = std::move(line_.front());
    line_.pop_front();
    --taken_;
    return slot;
  }

  void give_back(SlotPtr slot) {
    const std::lock_guard lock(mutex_);
    in_flight_bytes_ -= slot->weight_bytes;
    --in_flight_;
    slot->is_done = false;
    slot->status = {};
    spare_.push_back(std::move(slot));
    may_produce_.notify_one();
  }

  const PipelineLimits limits_;
  const Interruption& interruption_;
  Stages& stages_;

  std::mutex mutex_;  // everything below
  std::condition_variable may_produce_, may_work_, may_consume_;
  std::deque<SlotPtr> line_;  // produced and not taken by the consumer, in order
  std::size_t taken_ = 0;     // of them, from the front, so many were taken by workers
  std::vector<SlotPtr> spare_;
  std::size_t in_flight_ = 0;
  std::size_t in_flight_bytes_ = 0;
  std::optional<Status> end_;  // the producer's last word
  bool is_stopping_ = false;
};

}  // namespace ddsnap
