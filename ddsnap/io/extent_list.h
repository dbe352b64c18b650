// Builds the answer of extents(): in order, without gaps, neighbours of one kind joined.
//
// Threads   A plain value.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "ddsnap/io/block_device.h"

namespace ddsnap {

class ExtentList {
 public:
  explicit ExtentList(ByteRange range)
      : at_bytes_(range.offset_bytes), end_bytes_(range.end_bytes()) {}

  std::uint64_t at_bytes() const { return at_bytes_; }
  bool is_complete() const { return at_bytes_ >= end_bytes_; }

  // What lies between the end so far and `end_bytes`. What is beyond the range is cut off; what is
  // known already is left out.
  void extend_to(std::uint64_t end_bytes, Extent::Kind kind) {
    end_bytes = std::min(end_bytes, end_bytes_);
    if (end_bytes <= at_bytes_) return;
    const ByteRange piece{at_bytes_, end_bytes - at_bytes_};
    if (!list_.empty() && list_.back().kind == kind)
      list_.back().range.length_bytes += piece.length_bytes;
    else
      list_.push_back({piece, kind});
    at_bytes_ = end_bytes;
  }

  std::vector<Extent> take() && { return std::move(list_); }

 private:
  std::uint64_t at_bytes_;
  std::uint64_t end_bytes_;
  std::vector<Extent> list_;
};

}  // namespace ddsnap
