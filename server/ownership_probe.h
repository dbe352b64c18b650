// Whether a target that is no longer connected is proven to be gone (S8, T4): the question that a
// lost attachment waits for.
#pragma once

#include <string>

#include "server/store/snap_store.h"

namespace ddsnap {

class OwnershipProbe {
 public:
  virtual ~OwnershipProbe() = default;
  // True only when no I/O of that target can still be under way. "Cannot tell" is false.
  virtual bool is_gone(const Attachment& attachment) = 0;
  // A swap area of this host that lies on the origin; empty: none. Touches no file system (T9).
  virtual std::string swap_on_origin() { return {}; }
};

}  // namespace ddsnap
