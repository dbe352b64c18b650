// One barrier (T2): who was asked to hold its writes, and who has said that it does.
//
// Shape     Numbered; an acknowledgement counts only with this barrier's number (timeline 6a).
// Threads   None inside.
#pragma once

#include <cstdint>
#include <set>
#include <vector>

#include "server/session_id.h"

namespace ddsnap {

class Barrier {
 public:
  Barrier(std::uint64_t number, std::vector<SessionId> sessions, std::uint64_t deadline_ns)
      : number_(number),
        deadline_ns_(deadline_ns),
        members_(sessions.begin(), sessions.end()),
        awaited_(members_) {}

  std::uint64_t number() const { return number_; }
  std::uint64_t deadline_ns() const { return deadline_ns_; }
  bool is_complete() const { return awaited_.empty(); }
  bool is_member(SessionId session) const { return members_.contains(session); }
  const std::set<SessionId>& members() const { return members_; }
  const std::set<SessionId>& awaited() const { return awaited_; }

  void on_ack(SessionId session, std::uint64_t number) {
    if (number == number_) awaited_.erase(session);
  }
  // It has detached: it writes no more.
  void leave(SessionId session) {
    members_.erase(session);
    awaited_.erase(session);
  }

 private:
  std::uint64_t number_;
  std::uint64_t deadline_ns_;
  std::set<SessionId> members_;
  std::set<SessionId> awaited_;
};

}  // namespace ddsnap
