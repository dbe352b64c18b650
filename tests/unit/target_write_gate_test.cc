// The write gate alone, with a line that only notes what is sent: the barrier's races of
// TIMELINES 6, questions shared by parked writes, refusals, and the exits of parked writes. The
// test plays the link's thread; writers are threads that the test waits for by conditions.
#include "ddsnap/target/write_gate.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <future>

#include "ddsnap/base/limits.h"

namespace ddsnap {
namespace {

constexpr std::chrono::seconds kDeadline{20};

class NotingLine final : public GateLine {
 public:
  struct Question {
    std::uint64_t request_id;
    std::vector<ChunkRange> ranges;
  };
  void send_question(const PrepareWriteMessage& question, std::uint64_t request_id) override {
    const std::lock_guard lock(mutex_);
    questions_.push_back({request_id, question.ranges});
    changed_.notify_all();
  }
  void send_acknowledgement(const BarrierAckMessage& acknowledgement) override {
    const std::lock_guard lock(mutex_);
    acknowledgements_.push_back(acknowledgement.number);
    changed_.notify_all();
  }
  Question wait_for_question(std::size_t index) {
    std::unique_lock lock(mutex_);
    const bool came = changed_.wait_for(lock, kDeadline, [&] { return questions_.size() > index; });
    DD_CHECK(came);
    return questions_[index];
  }
  std::size_t question_count() {
    const std::lock_guard lock(mutex_);
    return questions_.size();
  }
  std::vector<std::uint64_t> acknowledgements() {
    const std::lock_guard lock(mutex_);
    return acknowledgements_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Question> questions_;
  std::vector<std::uint64_t> acknowledgements_;
};

class WriteGateTest : public ::testing::Test {
 protected:
  std::future<Status> enter(ChunkRange range) {
    return std::async(std::launch::async, [this, range] { return gate_.enter(range); });
  }
  void grant(const NotingLine::Question& question, Epoch epoch) {
    gate_.on_grant({epoch, 0, true, question.ranges}, question.request_id);
  }
  // A write that holds its grant and is in flight.
  void start_write(ChunkRange range, Epoch epoch) {
    const std::size_t index = line_.question_count();
    auto entered = enter(range);
    grant(line_.wait_for_question(index), epoch);
    ASSERT_TRUE(entered.get());
  }
  static bool is_parked(std::future<Status>& write) {
    return write.wait_for(std::chrono::seconds(0)) == std::future_status::timeout;
  }

  static constexpr ChunkRange kChunk{ChunkNr{3}, 1};
  static constexpr ChunkRange kOther{ChunkNr{9}, 2};
  NotingLine line_;
  Parking parking_{{}};
  WriteGate gate_{1000, line_, parking_};
};

TEST_F(WriteGateTest, GrantedChunksCostNoMessage) {
  gate_.open(Epoch{1});
  start_write(kChunk, Epoch{1});
  gate_.leave();
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(gate_.enter(kChunk));
    gate_.leave();
  }
  EXPECT_EQ(line_.question_count(), 1u);
}

TEST_F(WriteGateTest, BarrierWaitsForWritesInFlight) {
  gate_.open(Epoch{1});
  start_write(kChunk, Epoch{1});
  gate_.on_barrier(7);
  EXPECT_TRUE(line_.acknowledgements().empty());
  EXPECT_FALSE(gate_.try_enter(kChunk));  // and this one is not counted
  gate_.leave();
  EXPECT_EQ(line_.acknowledgements(), std::vector<std::uint64_t>{7});
}

TEST_F(WriteGateTest, ParkedWritesDoNotDelayABarrier) {
  gate_.open(Epoch{1});
  auto parked = enter(kChunk);
  const auto question = line_.wait_for_question(0);
  gate_.on_barrier(1);
  EXPECT_EQ(line_.acknowledgements(), std::vector<std::uint64_t>{1});
  // TIMELINES 6b: the grant that was under way comes after the acknowledgement.
  grant(question, Epoch{1});
  EXPECT_TRUE(is_parked(parked));
  gate_.on_release({1, Epoch{2}});
  EXPECT_FALSE(gate_.try_enter(kChunk));
  grant(line_.wait_for_question(1), Epoch{2});
  EXPECT_TRUE(parked.get());
  gate_.leave();
}

// TIMELINES 6a: barrier 1 is aborted while a write is still in flight, barrier 2 follows. What is
// acknowledged is barrier 2, and only after that write.
TEST_F(WriteGateTest, AbortedBarrierIsNotAcknowledgedLate) {
  gate_.open(Epoch{1});
  start_write(kChunk, Epoch{1});
  gate_.on_barrier(1);
  gate_.on_release({1, Epoch{1}});
  gate_.on_barrier(2);
  EXPECT_TRUE(line_.acknowledgements().empty());
  gate_.leave();
  EXPECT_EQ(line_.acknowledgements(), std::vector<std::uint64_t>{2});
}

TEST_F(WriteGateTest, ReleaseOfAnotherBarrierChangesNothing) {
  gate_.open(Epoch{1});
  gate_.on_barrier(2);
  auto parked = enter(kChunk);
  gate_.on_release({1, Epoch{1}});
  EXPECT_EQ(line_.question_count(), 0u);
  gate_.on_release({2, Epoch{2}});
  grant(line_.wait_for_question(0), Epoch{2});
  EXPECT_TRUE(parked.get());
  gate_.leave();
}

// TIMELINES 6d: writers race barriers; at each acknowledgement nobody may be inside with a grant
// of before. `inside` is what the writers themselves know.
TEST_F(WriteGateTest, NobodyIsInsideAtAnAcknowledgement) {
  std::atomic<int> inside{0};
  std::atomic<bool> stops{false};
  gate_.open(Epoch{1});
  std::vector<std::thread> writers;
  for (int i = 0; i < 3; ++i)
    writers.emplace_back([&] {
      while (!stops) {
        if (!gate_.try_enter(kChunk)) continue;
        ++inside;
        --inside;
        gate_.leave();
      }
    });
  for (std::uint64_t number = 1; number <= 300; ++number) {
    gate_.on_grant({Epoch{number}, 0, true, {kChunk}}, 0);
    gate_.on_barrier(number);
    const auto deadline = std::chrono::steady_clock::now() + kDeadline;
    while (line_.acknowledgements().size() < number) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline);
      std::this_thread::yield();
    }
    EXPECT_EQ(inside, 0);
    gate_.on_release({number, Epoch{number + 1}});
  }
  stops = true;
  for (std::thread& writer : writers) writer.join();
}

TEST_F(WriteGateTest, GrantOfAnOldEpochIsIgnored) {
  gate_.open(Epoch{5});
  auto parked = enter(kChunk);
  grant(line_.wait_for_question(0), Epoch{4});
  EXPECT_TRUE(is_parked(parked));
  grant(line_.wait_for_question(1), Epoch{5});  // it asked again
  EXPECT_TRUE(parked.get());
  gate_.leave();
}

TEST_F(WriteGateTest, ParkedWritesShareQuestions) {
  gate_.open(Epoch{1});
  std::vector<std::future<Status>> writes;
  for (std::uint32_t i = 0; i < 40; ++i) writes.push_back(enter({ChunkNr{i * 2}, 1}));
  const auto first = line_.wait_for_question(0);
  const auto second = line_.wait_for_question(1);
  // Nobody asks a third time before an answer, however many have parked by now.
  EXPECT_EQ(line_.question_count(), kMaxOutstandingQuestions);
  grant(first, Epoch{1});
  grant(second, Epoch{1});
  std::size_t answered = 2;
  const auto deadline = std::chrono::steady_clock::now() + kDeadline;
  while (std::ranges::any_of(writes, [](auto& write) { return is_parked(write); })) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    if (line_.question_count() > answered) grant(line_.wait_for_question(answered++), Epoch{1});
    std::this_thread::yield();
  }
  for (auto& write : writes) {
    EXPECT_TRUE(write.get());
    gate_.leave();
  }
}

TEST_F(WriteGateTest, GrantsInPartsAndMoreThanAsked) {
  gate_.open(Epoch{1});
  auto parked = enter(kOther);
  const auto question = line_.wait_for_question(0);
  gate_.on_grant({Epoch{1}, 0, false, {{ChunkNr{9}, 1}}}, question.request_id);
  EXPECT_TRUE(is_parked(parked));
  gate_.on_grant({Epoch{1}, 0, true, {{ChunkNr{10}, 0xfffffff6}}}, question.request_id);
  EXPECT_TRUE(parked.get());
  gate_.leave();
  ASSERT_TRUE(gate_.try_enter({ChunkNr{500}, 100}));
  gate_.leave();
  EXPECT_EQ(gate_.granted_run(ChunkNr{990}, 100), 10u);
}

TEST_F(WriteGateTest, RefusalFailsTheWritesItNames) {
  gate_.open(Epoch{1});
  auto refused = enter(kChunk);
  const auto question = line_.wait_for_question(0);
  gate_.on_grant({Epoch{1}, ENOSPC, true, question.ranges}, question.request_id);
  const Status status = refused.get();
  EXPECT_EQ(status.error().code, ErrorCode::kNoSpace);
  EXPECT_EQ(status.error().sys_errno, ENOSPC);
  auto other = enter(kOther);
  grant(line_.wait_for_question(1), Epoch{1});
  EXPECT_TRUE(other.get());
  gate_.leave();
}

TEST_F(WriteGateTest, LostLineVoidsGrantsAndFailsNothing) {
  gate_.open(Epoch{1});
  start_write(kChunk, Epoch{1});
  gate_.leave();
  auto parked = enter(kOther);
  line_.wait_for_question(1);
  gate_.lose();
  EXPECT_FALSE(gate_.try_enter(kChunk));
  EXPECT_TRUE(is_parked(parked));
  gate_.open(Epoch{2});
  grant(line_.wait_for_question(2), Epoch{2});
  EXPECT_TRUE(parked.get());
  gate_.leave();
}

TEST_F(WriteGateTest, WriteInFlightOverALostLineStillDelaysTheNextBarrier) {
  gate_.open(Epoch{1});
  start_write(kChunk, Epoch{1});
  gate_.lose();
  gate_.open(Epoch{1});
  gate_.on_barrier(1);
  EXPECT_TRUE(line_.acknowledgements().empty());
  gate_.leave();
  EXPECT_EQ(line_.acknowledgements(), std::vector<std::uint64_t>{1});
}

TEST_F(WriteGateTest, ParkedWriteHasItsExits) {
  auto parked = enter(kChunk);  // no line at all
  EXPECT_TRUE(is_parked(parked));
  // It may not have parked yet; what parks after the order is not meant by it.
  while (is_parked(parked)) {
    parking_.fail_parked();
    std::this_thread::yield();
  }
  EXPECT_EQ(parked.get().error().sys_errno, EIO);
  parking_.fail_all();
  EXPECT_EQ(gate_.enter(kChunk).error().sys_errno, EIO);
}

TEST_F(WriteGateTest, ParkedWriteTimesOutWhereAsked) {
  const Parking impatient({.should_give_up = {}, .timeout_ms = 1});
  WriteGate gate(10, line_, impatient);
  EXPECT_EQ(gate.enter(kChunk).error().sys_errno, ETIMEDOUT);
}

TEST_F(WriteGateTest, ParkedWriteAsksItsOwner) {
  const Parking asking({.should_give_up = [] { return true; }, .timeout_ms = {}});
  WriteGate gate(10, line_, asking);
  EXPECT_EQ(gate.enter(kChunk).error().sys_errno, EIO);
}

}  // namespace
}  // namespace ddsnap
