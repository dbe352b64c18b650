// Which I/O on slots began before an order of the server, so that the order is acknowledged when
// the last of it has ended (DROPPED, INVALIDATE).
//
// Threads   None inside; the caller serialises.
#pragma once

#include <cstdint>
#include <set>

namespace ddsnap {

class IoTickets {
 public:
  using Sequence = std::uint64_t;

  Sequence begin() {
    active_.insert(sequence_);
    return sequence_;
  }
  void end(Sequence ticket) { active_.erase(active_.find(ticket)); }
  // An order came: everything begun so far is before it.
  Sequence order() { return ++sequence_; }
  Sequence orders_so_far() const { return sequence_; }
  bool is_clear_before(Sequence order) const {
    return active_.empty() || *active_.begin() >= order;
  }

 private:
  Sequence sequence_ = 0;
  std::multiset<Sequence> active_;
};

}  // namespace ddsnap
