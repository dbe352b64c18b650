// Which bytes of a volume a delta names, in order, so that chunks of another size can be asked for.
//
// Units     Bytes.
// Threads   A plain value.
#pragma once

#include <vector>

#include "ddsnap/base/units.h"

namespace ddsnap {

class ByteCover {
 public:
  // Requires: not before what was added last. Ranges that touch become one.
  void add(ByteRange range);
  bool contains(ByteRange range) const;

 private:
  std::vector<ByteRange> ranges_;  // ascending, apart
};

}  // namespace ddsnap
