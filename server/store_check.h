// CHECK_STORE: the store verifies itself, a piece at a time, for whoever asks.
//
// Shape     Questions are parked and answered one a turn of the loop, so a check delays nobody by
//           more than one piece (T7). How fast it goes is the asker's to say, by when it asks.
//           Nothing is kept between two pieces: the place to go on is in the answer.
// Errors    kUsage for a place that the server never gave.
// Threads   None inside.
#pragma once

#include <cstdint>

#include "ddsnap/wire/cli_messages.h"
#include "server/parked_questions.h"
#include "server/volume_parts.h"

namespace ddsnap {

class StoreCheck {
 public:
  explicit StoreCheck(VolumeParts parts) : parts_(parts) {}

  Status park(SessionId session, std::uint64_t request_id, const CheckStoreMessage& message);
  std::size_t count_of(SessionId session) const { return parked_.count_of(session); }
  void forget(SessionId session) { parked_.forget(session); }
  bool has_parked() const { return !parked_.is_empty(); }
  // Answers one piece.
  void run();

 private:
  VolumeParts parts_;
  ParkedQuestions<CheckCursor> parked_;  // where to go on
};

}  // namespace ddsnap
