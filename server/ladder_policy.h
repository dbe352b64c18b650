// What becomes of a volume whose snapstore fails (S10): which rung it steps down to, and whether
// the origin's writers go on. The table is in SNAPSTORE.md, section 8.
//
// Shape     The store says what failed (StepDown, slots_failed(), failed()) and keeps the rung; the
// setting says who
//           goes first, the origin or its snapshots. Each step is durable before a grant depends on
//           it (S1).
// Errors    None: what cannot be noted is logged, and then nothing is granted that depends on it.
// Threads   None inside.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "server/dropping.h"
#include "server/now.h"
#include "server/volume_parts.h"

namespace ddsnap {

class LadderPolicy {
 public:
  enum class Verdict : std::uint8_t {
    kAskAgain,  // the asks stay parked: a lower rung can grant them, or it is known by now that
                // none can
    kRefuse,    // the writes that wanted the batch get EIO
  };

  LadderPolicy(VolumeParts parts, Dropping& dropping) : parts_(parts), dropping_(dropping) {}

  // A batch of copy-outs failed.
  Verdict on_failed_batch(const Error& error, Now now);
  // What the store says by itself, whoever made it find out. To be called on time and before
  // grants.
  void watch(Now now);

  // Nothing is copied out or recorded any more, and no later server will overlook that.
  bool goes_on_untracked() const { return may_go_on_; }
  bool must_refuse_first_writes() const;
  // When watch() has something to try again.
  std::optional<std::uint64_t> deadline_ns() const;

 private:
  bool origin_goes_on() const;
  bool step_down_to_tracking_only(const std::string& why);
  void step_down_to_no_new_snapshots(const std::string& why);
  void close_down(Now now);

  VolumeParts parts_;
  Dropping& dropping_;
  bool is_closed_ = false;
  bool may_go_on_ = false;
  std::uint64_t next_note_ns_ = 0;
};

}  // namespace ddsnap
