// What happened lately, for `ddsnap events`: the last lines of the server's log, kept in memory.
//
// Shape     A log that passes every line on and remembers the newest kMaxEvents. Numbers begin at
//           the time of the start, in nanoseconds, so that those of a later server are higher.
// Errors    None. Bytes that would drive a terminal are replaced; long lines are cut as the log's.
// Threads   All from any thread.
// Lifetime  Borrows the next log for its whole life.
#pragma once

#include <deque>
#include <mutex>

#include "ddsnap/base/log.h"
#include "ddsnap/wire/cli_messages.h"

namespace ddsnap {

class EventRing final : public LogSink {
 public:
  using WallClock = std::uint64_t (*)();  // nanoseconds since 1970
  explicit EventRing(LogSink& next);
  EventRing(LogSink& next, WallClock wall_ns);

  void write(LogLevel level, std::string_view line) override;
  // The oldest that are kept with higher numbers, at most kMaxEventEntries. All that are kept where
  // no event has that number yet: the clock was set back before a restart.
  EventListMessage after(std::uint64_t number) const;

 private:
  LogSink& next_;
  const WallClock wall_ns_;
  const std::uint64_t started_ns_;
  mutable std::mutex mutex_;
  std::deque<EventEntry> events_;  // all below: guarded by mutex_
  std::uint64_t last_number_;
  std::uint64_t warnings_ = 0;
  std::uint64_t errors_ = 0;
};

}  // namespace ddsnap
