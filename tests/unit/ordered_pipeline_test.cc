// The pipeline against a plain loop over the same jobs: what is consumed, in which order, and which
// error comes out, for numbers of workers, limits and places of failure drawn at random; then its
// bounds and its interruption. Stages take random turns to be slow, by giving up the processor.
#include "ddsnap/base/ordered_pipeline.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <random>
#include <set>

#include "tests/support/pipeline_plan.h"

namespace ddsnap {
namespace {

struct NumberJob {
  std::uint64_t number = 0;
  std::uint64_t square = 0;
  std::size_t bytes = 100;
  std::size_t weight_bytes() const { return bytes; }
};
using Pipeline = OrderedPipeline<NumberJob>;

test::PipelineOutcome pipeline(const test::PipelinePlan& plan, const PipelineLimits& limits) {
  test::PipelineOutcome outcome;
  std::uint64_t next = 0;
  auto stages = test::make_stages<Pipeline::Stages>(plan, next, outcome);
  const Interruption never;
  const Status status = Pipeline(limits, never, stages).run();
  if (!status) outcome.error = status.error().text;
  return outcome;
}

TEST(OrderedPipeline, DoesWhatAPlainLoopDoes) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 60; ++round) {
    const test::PipelinePlan plan = test::draw_plan(random);
    const PipelineLimits limits{.workers = 1 + static_cast<unsigned>(random() % 4),
                                .memory_bytes = random() % 2000,
                                .max_jobs = random() % 12};
    EXPECT_EQ(pipeline(plan, limits), test::plain_loop(plan)) << "round " << round;
  }
}

// Counts what is in flight from produce() to the end of consume().
TEST(OrderedPipeline, KeepsToItsMemoryAndItsNumberOfJobs) {
  constexpr std::size_t kJobBytes = 100;
  const PipelineLimits limits{.workers = 3, .memory_bytes = 450, .max_jobs = 100};
  std::atomic<int> in_flight = 0;
  int most = 0, next = 0;
  std::set<const NumberJob*> jobs;
  Pipeline::Stages stages{.produce = [&](NumberJob& job) -> Result<bool> {
                            job.bytes = kJobBytes;
                            most = std::max(most, ++in_flight);
                            jobs.insert(&job);
                            return ++next <= 100;
                          },
                          .work = [](NumberJob& job, unsigned) -> Status {
                            test::dawdle(job.number);
                            return {};
                          },
                          .consume = [&](NumberJob&) -> Status {
                            --in_flight;
                            return {};
                          }};
  const Interruption never;
  ASSERT_TRUE(Pipeline(limits, never, stages).run());
  EXPECT_LE(most, 6);          // 450 bytes are not used up by four; the last one may exceed it, and
  EXPECT_LE(jobs.size(), 6u);  // a job counts here until just before its room is given back
}

TEST(OrderedPipeline, GivesEachWorkerItsNumberAndOneCallAtATime) {
  constexpr unsigned kWorkers = 4;
  std::vector<std::atomic<int>> calls(kWorkers);
  std::atomic<bool> is_doubled = false;
  int next = 0;
  Pipeline::Stages stages{.produce = [&](NumberJob&) -> Result<bool> { return ++next <= 100; },
                          .work = [&](NumberJob& job, unsigned worker) -> Status {
                            if (worker >= kWorkers || ++calls[worker] != 1) is_doubled = true;
                            test::dawdle(job.number);
                            --calls[worker];
                            return {};
                          },
                          .consume = [](NumberJob&) -> Status { return {}; }};
  const Interruption never;
  ASSERT_TRUE(Pipeline({.workers = kWorkers, .memory_bytes = 1}, never, stages).run());
  EXPECT_FALSE(is_doubled);
}

TEST(OrderedPipeline, EndsWhenInterruptedThoughThereIsAlwaysMore) {
  const int event = ::eventfd(0, EFD_CLOEXEC);
  const Interruption interruption{UniqueFd(event)};
  int consumed = 0;
  Pipeline::Stages stages{.produce = [](NumberJob&) -> Result<bool> { return true; },
                          .work = [](NumberJob&, unsigned) -> Status { return {}; },
                          .consume = [&](NumberJob&) -> Status {
                            const std::uint64_t one = 1;
                            if (++consumed == 50 && ::write(event, &one, sizeof one) != 8)
                              return test::failure("write", 0);
                            return {};
                          }};
  const Status status = Pipeline({.workers = 2, .memory_bytes = 1000}, interruption, stages).run();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kInterrupted);
  EXPECT_EQ(consumed, 50);
}

}  // namespace
}  // namespace ddsnap
