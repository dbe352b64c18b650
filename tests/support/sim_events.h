// The simulated clock: what is to happen, in order of time; the same order for the same seed.
//
// Units     Nanoseconds since the simulation began.
// Threads   None inside.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <vector>

namespace ddsnap::test {

class SimEvents {
 public:
  using Act = std::function<void()>;

  std::uint64_t now_ns() const { return now_ns_; }

  // What is due at the same time happens in the order in which it was asked for.
  void after(std::uint64_t delay_ns, Act act) {
    heap_.push_back({now_ns_ + delay_ns, ++last_number_, std::move(act)});
    std::push_heap(heap_.begin(), heap_.end(), later);
  }

  // False when nothing is to happen any more.
  bool run_next() {
    if (heap_.empty()) return false;
    std::pop_heap(heap_.begin(), heap_.end(), later);
    Event event = std::move(heap_.back());
    heap_.pop_back();
    now_ns_ = event.at_ns;
    event.act();
    return true;
  }

  // A power cut: nothing of what was to happen will.
  void clear() { heap_.clear(); }

 private:
  struct Event {
    std::uint64_t at_ns = 0;
    std::uint64_t number = 0;
    Act act;
  };
  static bool later(const Event& a, const Event& b) {
    return a.at_ns != b.at_ns ? a.at_ns > b.at_ns : a.number > b.number;
  }

  std::uint64_t now_ns_ = 1'000'000'000;
  std::uint64_t last_number_ = 0;
  std::vector<Event> heap_;
};

}  // namespace ddsnap::test
