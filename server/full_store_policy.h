// What is given up when the snapstore is full, and in which order (DESIGN section 3, "Full
// snapstore").
//
// Shape     After a batch found no room the caller says on_no_room() and then asks advance() once
//           a turn, its asks parked, until that says kRetry or kNoRoom. Victims: snapshots whose
//           removal frees slots; unused ones first, lowest priority, then oldest; priority 127
//           never. When metadata is what is short, the oldest bookmarks go first, held ones last
//           (S9).
// Errors    A store that cannot remove anything is kNoRoom, with a line in the log.
// Threads   None inside. Each advance() is bounded (T7).
#pragma once

#include <optional>
#include <vector>

#include "server/dropping.h"
#include "server/volume_parts.h"

namespace ddsnap {

class FullStorePolicy {
 public:
  enum class Answer { kRetry, kWait, kNoRoom };

  FullStorePolicy(VolumeParts parts, Dropping& dropping) : parts_(parts), dropping_(dropping) {}

  void on_no_room();
  // Before a snapshot is made: where metadata is short, the oldest bookmarks go until it is not
  // (S9).
  void make_metadata_room();
  // A batch found all the room it wanted.
  void on_room() { is_tidy_ = false; }
  Answer advance(std::uint64_t now_ns);
  bool is_making_room() const { return is_making_room_; }
  // Nothing can be done before a message or the deadline comes.
  bool is_waiting_for_targets(std::uint64_t now_ns) const;

 private:
  Answer end_with(Answer answer);
  bool run_background();
  bool tidy_metadata();
  // Those that somebody holds (a use count) when there are no others.
  bool remove_oldest_bookmark();
  enum class Held { kNo, kYes };
  bool remove_oldest_bookmark(Held held);
  bool give_up_next(std::uint64_t now_ns);
  bool give_up(const BoundaryFacts& victim, std::uint64_t now_ns);
  std::vector<BoundaryFacts> candidates() const;

  VolumeParts parts_;
  Dropping& dropping_;
  bool is_making_room_ = false;
  bool has_removed_ = false;
  bool is_tidy_ = false;  // metadata was written anew since there was room last
  std::uint64_t slots_free_before_ = 0;
};

}  // namespace ddsnap
