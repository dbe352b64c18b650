// The pipeline whose threads take their jobs from beginning to end, against a plain loop over the
// same jobs: what is consumed, in which order, and which error comes out, for numbers of workers
// and places of failure drawn at random; that no stage is called twice at once that must not be;
// and its interruption. Stages take random turns to be slow, by giving up the processor.
#include "ddsnap/base/turn_pipeline.h"

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
};
using Pipeline = TurnPipeline<NumberJob>;

test::PipelineOutcome pipeline(const test::PipelinePlan& plan, unsigned workers) {
  test::PipelineOutcome outcome;
  std::uint64_t next = 0;
  const auto stages = test::make_stages<Pipeline::Stages>(plan, next, outcome);
  const Interruption never;
  const Status status = Pipeline(workers, never, stages).run();
  if (!status) outcome.error = status.error().text;
  return outcome;
}

TEST(TurnPipeline, DoesWhatAPlainLoopDoes) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 40; ++round) {
    const test::PipelinePlan plan = test::draw_plan(random);
    const auto workers = static_cast<unsigned>(random() % 6);  // none counts as one
    EXPECT_EQ(pipeline(plan, workers), test::plain_loop(plan)) << "round " << round;
  }
}

TEST(TurnPipeline, HasOneJobAThreadAndCallsNoStageTwiceAtOnce) {
  constexpr unsigned kWorkers = 4;
  std::vector<std::atomic<int>> calls(kWorkers);
  std::atomic<int> producing = 0, consuming = 0;
  std::atomic<bool> is_doubled = false;
  std::set<const NumberJob*> jobs;
  std::uint64_t next = 0;
  const Pipeline::Stages stages{.produce = [&](NumberJob& job) -> Result<bool> {
                                  if (++producing != 1) is_doubled = true;
                                  jobs.insert(&job);
                                  job.number = next;
                                  --producing;
                                  return ++next <= 50;
                                },
                                .work = [&](NumberJob& job, unsigned worker) -> Status {
                                  if (worker >= kWorkers || ++calls[worker] != 1) is_doubled = true;
                                  test::dawdle(job.number);
                                  --calls[worker];
                                  return {};
                                },
                                .consume = [&](NumberJob&) -> Status {
                                  if (++consuming != 1) is_doubled = true;
                                  --consuming;
                                  return {};
                                }};
  const Interruption never;
  ASSERT_TRUE(Pipeline(kWorkers, never, stages).run());
  EXPECT_FALSE(is_doubled);
  EXPECT_LE(jobs.size(), kWorkers);
}

TEST(TurnPipeline, EndsWhenInterruptedThoughThereIsAlwaysMore) {
  const int event = ::eventfd(0, EFD_CLOEXEC);
  const Interruption interruption{UniqueFd(event)};
  int consumed = 0;
  const Pipeline::Stages stages{.produce = [](NumberJob&) -> Result<bool> { return true; },
                                .work = [](NumberJob&, unsigned) -> Status { return {}; },
                                .consume = [&](NumberJob&) -> Status {
                                  const std::uint64_t one = 1;
                                  if (++consumed == 50 && ::write(event, &one, sizeof one) != 8)
                                    return test::failure("write", 0);
                                  return {};
                                }};
  const Status status = Pipeline(3, interruption, stages).run();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kInterrupted);
  EXPECT_EQ(consumed, 50);
}

}  // namespace
}  // namespace ddsnap
