// Questions that wait to be answered one a turn, oldest first, whoever asked them (T7).
//
// Threads   None inside.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <utility>

#include "server/session_id.h"

namespace ddsnap {

template <class What>
class ParkedQuestions {
 public:
  struct Question {
    SessionId session;
    std::uint64_t request_id = 0;
    What what;
  };

  void park(SessionId session, std::uint64_t request_id, What what) {
    parked_.push_back({session, request_id, std::move(what)});
  }
  std::size_t count_of(SessionId session) const {
    return static_cast<std::size_t>(std::ranges::count(parked_, session, &Question::session));
  }
  void forget(SessionId session) {
    std::erase_if(parked_, [&](const Question& question) { return question.session == session; });
  }
  bool is_empty() const { return parked_.empty(); }
  // Requires: !is_empty().
  Question take() {
    Question oldest = std::move(parked_.front());
    parked_.pop_front();
    return oldest;
  }

 private:
  std::deque<Question> parked_;
};

}  // namespace ddsnap
