// The ring of events: lines are passed on, numbered and kept, the oldest go first, pages go on
// where the last one ended, and a server that was started later has higher numbers. On a clock of
// its own.
#include "server/event_ring.h"

#include <gtest/gtest.h>

#include "ddsnap/base/limits.h"

namespace ddsnap {
namespace {

std::uint64_t fake_wall_ns = 0;

class CountingLog final : public LogSink {
 public:
  void write(LogLevel, std::string_view) override { ++lines; }
  int lines = 0;
};

class EventRingTest : public ::testing::Test {
 protected:
  EventRingTest() { fake_wall_ns = 1000; }
  CountingLog next_;
};

std::uint64_t fake_clock() {
  return fake_wall_ns;
}

TEST_F(EventRingTest, KeepsLinesWithTimeAndLevel) {
  EventRing ring(next_, fake_clock);
  fake_wall_ns = 2000;
  ring.info("snapshot {} is there", 0);
  fake_wall_ns = 3000;
  ring.warning("nearly full");
  ring.error("damage\x1b[31m\n");
  EXPECT_EQ(next_.lines, 3);
  const EventListMessage all = ring.after(0);
  EXPECT_EQ(all.started_ns, 1000u);
  EXPECT_EQ(all.warnings, 1u);
  EXPECT_EQ(all.errors, 1u);
  ASSERT_EQ(all.entries.size(), 3u);
  EXPECT_EQ(all.entries[0].text, "snapshot 0 is there");
  EXPECT_EQ(all.entries[0].time_ns, 2000u);
  EXPECT_EQ(all.entries[1].level, EventLevel::kWarning);
  EXPECT_EQ(all.entries[2].text, "damage?[31m?");
  EXPECT_EQ(ring.after(all.entries[0].number).entries.size(), 2u);
  EXPECT_TRUE(ring.after(all.entries[2].number).entries.empty());
}

TEST_F(EventRingTest, ForgetsTheOldestAndComesInPages) {
  EventRing ring(next_, fake_clock);
  for (std::size_t i = 0; i < kMaxEvents + 30; ++i) ring.info("{}", i);
  std::vector<std::string> texts;
  for (std::uint64_t last = 0;;) {
    const EventListMessage page = ring.after(last);
    EXPECT_LE(page.entries.size(), kMaxEventEntries);
    for (const EventEntry& event : page.entries) {
      EXPECT_GT(event.number, last);
      last = event.number;
      texts.push_back(event.text);
    }
    if (!page.has_more) break;
  }
  ASSERT_EQ(texts.size(), kMaxEvents);
  EXPECT_EQ(texts.front(), "30");
}

TEST_F(EventRingTest, NumbersGoOnAfterARestart) {
  EventRing before(next_, fake_clock);
  before.info("one");
  const std::uint64_t known = before.after(0).entries.back().number;
  fake_wall_ns += 1'000'000;
  EventRing later(next_, fake_clock);
  later.info("two");
  EXPECT_EQ(later.after(known).entries.size(), 1u);
}

TEST_F(EventRingTest, TellsAllWhereTheClockWasSetBack) {
  EventRing ring(next_, fake_clock);
  ring.info("one");
  EXPECT_EQ(ring.after(999'999'999).entries.size(), 1u);
}

TEST_F(EventRingTest, LongLinesAreCut) {
  EventRing ring(next_, fake_clock);
  ring.write(LogLevel::kInfo, std::string(10'000, 'x'));
  EXPECT_EQ(ring.after(0).entries[0].text.size(), kMaxLogLineBytes);
}

}  // namespace
}  // namespace ddsnap
