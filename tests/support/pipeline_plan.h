// What a pipeline of numbers is to do, and what a plain loop over the same jobs does: the oracle of
// both pipelines' tests. A job's work is to square its number; stages may be told to fail.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "ddsnap/base/result.h"

namespace ddsnap::test {

inline constexpr std::uint64_t kNever = ~std::uint64_t{0};

struct PipelinePlan {
  std::uint64_t jobs = 0;
  std::uint64_t produce_fails_at = kNever;
  std::uint64_t work_fails_at = kNever;
  std::uint64_t consume_fails_at = kNever;
};

inline std::unexpected<Error> failure(const std::string& stage, std::uint64_t number) {
  return fail(ErrorCode::kFailed, stage + " " + std::to_string(number));
}

// Slow at random, by giving up the processor.
inline void dawdle(std::uint64_t salt) {
  std::minstd_rand random(static_cast<unsigned>(salt + 1));
  for (auto turns = random() % 4; turns > 0; --turns) std::this_thread::yield();
}

struct PipelineOutcome {
  std::vector<std::uint64_t> squares;
  std::string error;
  bool operator==(const PipelineOutcome&) const = default;
};

inline PipelineOutcome plain_loop(const PipelinePlan& plan) {
  PipelineOutcome outcome;
  for (std::uint64_t number = 0;; ++number) {
    if (number == plan.produce_fails_at) outcome.error = failure("produce", number).error().text;
    if (!outcome.error.empty() || number == plan.jobs) return outcome;
    if (number == plan.work_fails_at)
      outcome.error = failure("work", number).error().text;
    else if (number == plan.consume_fails_at)
      outcome.error = failure("consume", number).error().text;
    if (!outcome.error.empty()) return outcome;
    outcome.squares.push_back(number * number);
  }
}

inline PipelinePlan draw_plan(std::mt19937& random) {
  PipelinePlan plan{.jobs = random() % 60};
  if (random() % 3 == 0) plan.produce_fails_at = random() % 60;
  if (random() % 3 == 0) plan.work_fails_at = random() % 60;
  if (random() % 3 == 0) plan.consume_fails_at = random() % 60;
  return plan;
}

// The three stages over any job with `number` and `square`; `outcome` and `next` outlive them.
template <class Stages>
Stages make_stages(const PipelinePlan& plan, std::uint64_t& next, PipelineOutcome& outcome) {
  return {.produce = [&](auto& job) -> Result<bool> {
            dawdle(next);
            if (next == plan.produce_fails_at) return failure("produce", next);
            if (next == plan.jobs) return false;
            job.number = next++;
            return true;
          },
          .work = [&](auto& job, unsigned) -> Status {
            dawdle(job.number * 7);
            if (job.number == plan.work_fails_at) return failure("work", job.number);
            job.square = job.number * job.number;
            return {};
          },
          .consume = [&](auto& job) -> Status {
            dawdle(job.number * 13);
            if (job.number == plan.consume_fails_at) return failure("consume", job.number);
            outcome.squares.push_back(job.square);
            return {};
          }};
}

}  // namespace ddsnap::test
