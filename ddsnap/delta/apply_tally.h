// What the present contents of a target, taken together, allow (D2).
//
// Shape     Fed with the verdict on one run of chunks after the other; answers at any time.
// Errors    see(): kFailed with the range, for contents that no apply may touch.
// Threads   A plain value.
#pragma once

#include <string>

#include "ddsnap/base/result.h"
#include "ddsnap/delta/present.h"

namespace ddsnap {

class ApplyTally {
 public:
  struct Rules {
    std::string target_name;
    bool is_full = false;
    // The base is proven by what is remembered with the target, or --force stands for the proof.
    bool may_trust_base = false;
  };
  explicit ApplyTally(Rules rules) : rules_(std::move(rules)) {}

  // What a chunk must hold. kEither: as all others; a mix is refused.
  enum class Expect { kEither, kBefore, kAfter };
  // Notes the run. One that fits nothing opens a range that adjacent ones join.
  void see(const PresentRun& present, Expect expect);
  // The first range that does not fit, or a mix that no journal explains.
  Status check() const;
  // More of the first wrong range may follow, so that it is worth reading on.
  bool is_range_open() const { return is_wrong_ && is_range_open_; }
  bool is_wrong() const { return is_wrong_; }

  bool is_all_before() const { return is_all_before_; }
  bool is_all_after() const { return is_all_after_; }
  bool has_unproven() const { return has_unproven_; }

 private:
  bool fits(const PresentRun& present, Expect expect) const;
  void note_wrong(const PresentRun& present, Expect expect);

  Rules rules_;
  bool is_all_before_ = true;
  bool is_all_after_ = true;
  bool has_unproven_ = false;
  bool is_wrong_ = false;
  bool is_range_open_ = false;
  ChunkRange wrong_;
  std::string why_;
};

}  // namespace ddsnap
