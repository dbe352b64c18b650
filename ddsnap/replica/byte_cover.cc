#include "ddsnap/replica/byte_cover.h"

#include <algorithm>

#include "ddsnap/base/result.h"

namespace ddsnap {

void ByteCover::add(ByteRange range) {
  if (range.length_bytes == 0) return;
  DD_CHECK(ranges_.empty() || ranges_.back().end_bytes() <= range.offset_bytes);
  if (!ranges_.empty() && ranges_.back().end_bytes() == range.offset_bytes) {
    ranges_.back().length_bytes += range.length_bytes;
  } else {
    ranges_.push_back(range);
  }
}

bool ByteCover::contains(ByteRange range) const {
  const auto behind =
      std::ranges::upper_bound(ranges_, range.offset_bytes, {}, &ByteRange::offset_bytes);
  return behind != ranges_.begin() && std::prev(behind)->end_bytes() >= range.end_bytes();
}

}  // namespace ddsnap
