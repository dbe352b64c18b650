#include "server/event_ring.h"

#include <algorithm>

#include "ddsnap/base/limits.h"
#include "server/clock.h"

namespace ddsnap {

namespace {

std::string clean_text(std::string_view line) {
  std::string text(line.substr(0, kMaxLogLineBytes));
  std::ranges::replace_if(
      text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
  return text;
}

}  // namespace

EventRing::EventRing(LogSink& next) : EventRing(next, [] { return read_clock().wall_ns; }) {}

EventRing::EventRing(LogSink& next, WallClock wall_ns)
    : next_(next), wall_ns_(wall_ns), started_ns_(wall_ns()), last_number_(started_ns_) {}

void EventRing::write(LogLevel level, std::string_view line) {
  next_.write(level, line);
  const std::lock_guard lock(mutex_);
  if (level == LogLevel::kWarning) ++warnings_;
  if (level == LogLevel::kError) ++errors_;
  if (events_.size() == kMaxEvents) events_.pop_front();
  events_.push_back({.number = ++last_number_,
                     .time_ns = wall_ns_(),
                     .level = static_cast<EventLevel>(level),
                     .text = clean_text(line)});
}

EventListMessage EventRing::after(std::uint64_t number) const {
  const std::lock_guard lock(mutex_);
  EventListMessage answer{.started_ns = started_ns_, .warnings = warnings_, .errors = errors_};
  const std::uint64_t last_known = number > last_number_ ? 0 : number;
  const auto first =
      std::ranges::upper_bound(events_, last_known, {}, [](const auto& e) { return e.number; });
  const auto left = static_cast<std::size_t>(events_.end() - first);
  answer.has_more = left > kMaxEventEntries;
  const auto end =
      first + static_cast<std::ptrdiff_t>(std::min<std::size_t>(left, kMaxEventEntries));
  answer.entries.assign(first, end);
  return answer;
}

}  // namespace ddsnap
