// The rate limit on a clock of the test's own; interruption by a descriptor that the test makes
// readable, seen by whoever asks, waits for input or pauses, and by signals.
#include "ddsnap/base/work_context.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <csignal>

namespace ddsnap {
namespace {

constexpr std::uint64_t kSecond_ns = 1'000'000'000;
constexpr std::uint64_t kHour_ns = 3600 * kSecond_ns;

TEST(RateLimit, HoldsTheAverage) {
  RateLimit limit(1000);
  std::uint64_t now = 5 * kSecond_ns;
  EXPECT_EQ(limit.reserve_ns(500, now), 0u);
  EXPECT_EQ(limit.reserve_ns(500, now), kSecond_ns / 2);
  EXPECT_EQ(limit.reserve_ns(1000, now), kSecond_ns);
  now += 3 * kSecond_ns;  // idle since two seconds: no more than a tenth is made up for
  EXPECT_EQ(limit.reserve_ns(600, now), 0u);
  EXPECT_EQ(limit.reserve_ns(1, now), kSecond_ns / 2);
}

TEST(RateLimit, NoneNeverWaits) {
  RateLimit none;
  EXPECT_EQ(none.reserve_ns(~std::uint64_t{0}, 1), 0u);
  EXPECT_EQ(none.reserve_ns(~std::uint64_t{0}, 1), 0u);
}

TEST(Interruption, ByDefaultNothingInterrupts) {
  const Interruption never;
  EXPECT_FALSE(never.is_requested());
  EXPECT_TRUE(never.check());
  EXPECT_TRUE(never.pause(1));
}

TEST(Interruption, EndsEveryKindOfWaiting) {
  const int event = ::eventfd(0, EFD_CLOEXEC);
  const Interruption interruption{UniqueFd(event)};
  EXPECT_TRUE(interruption.check());
  const std::uint64_t one = 1;
  ASSERT_EQ(::write(event, &one, sizeof one), 8);

  int pipe_fds[2];
  ASSERT_EQ(::pipe2(pipe_fds, O_CLOEXEC), 0);
  const UniqueFd silent(pipe_fds[0]), other_end(pipe_fds[1]);
  RateLimit slow(1);
  ASSERT_TRUE(slow.reserve_ns(1'000'000, 1) == 0);
  for (const Status& status : {interruption.check(), interruption.wait_readable(silent.get()),
                               interruption.pause(kHour_ns), slow.take(1, interruption)}) {
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code, ErrorCode::kInterrupted);
    EXPECT_EQ(exit_status(status.error()), 130);
  }
}

TEST(Interruption, InputThatIsThereIsNotWaitedFor) {
  int pipe_fds[2];
  ASSERT_EQ(::pipe2(pipe_fds, O_CLOEXEC), 0);
  const UniqueFd read_end(pipe_fds[0]);
  UniqueFd write_end(pipe_fds[1]);
  const Interruption never;
  ASSERT_EQ(::write(write_end.get(), "x", 1), 1);
  EXPECT_TRUE(never.wait_readable(read_end.get()));
  char x = 0;
  ASSERT_EQ(::read(read_end.get(), &x, 1), 1);
  write_end.reset();
  EXPECT_TRUE(never.wait_readable(read_end.get()));  // the end of the pipe
}

TEST(Interruption, ASignalInterruptsAndKeepsDoingSo) {
  const auto interruption = Interruption::by_signals();
  ASSERT_TRUE(interruption);
  EXPECT_TRUE(interruption->check());
  ASSERT_EQ(::raise(SIGINT), 0);
  EXPECT_FALSE(interruption->check());
  EXPECT_FALSE(interruption->check());
}

}  // namespace
}  // namespace ddsnap
