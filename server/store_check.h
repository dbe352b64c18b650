// CHECK_STORE: the store verifies itself, a piece at a time, for whoever asks.
//
// Shape     Questions are parked and answered one a turn of the loop, so a check delays nobody by
//           more than one piece (T7). How fast it goes is the asker's to say, by when it asks.
//           Nothing is kept between two pieces: the place to go on is in the answer.
// Errors    kUsage for a place that the server never gave.
// Threads   None inside.
#pragma once

#include <cstdint>
#include <deque>

#include "server/volume_parts.h"

namespace ddsnap {

class StoreCheck {
 public:
  explicit StoreCheck(VolumeParts parts) : parts_(parts) {}

  Status park(SessionId session, std::uint64_t request_id, const CheckStoreMessage& message);
  std::size_t count_of(SessionId session) const;
  void forget(SessionId session);
  bool has_parked() const { return !parked_.empty(); }
  // Answers one piece.
  void run();

 private:
  struct Question {
    SessionId session;
    std::uint64_t request_id = 0;
    CheckCursor from;
  };

  VolumeParts parts_;
  std::deque<Question> parked_;
};

}  // namespace ddsnap
