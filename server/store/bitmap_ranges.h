// A bitmap as ranges of neighbouring chunks.
//
// Shape     Ascending; [first, end). Ends may be 2^32. A full container costs a few steps, not
//           65,536.
#pragma once

#include <cstdint>
#include <roaring/roaring.hh>

namespace ddsnap {

template <class Function>  // void(std::uint64_t first, std::uint64_t end)
void for_each_range(const Roaring& bitmap, Function function) {
  constexpr std::uint64_t kLargestStep = std::uint64_t{1} << 31;
  constexpr std::uint64_t kLimit = std::uint64_t{1} << 32;
  auto at = bitmap.begin();
  while (at != bitmap.end()) {
    const std::uint64_t first = *at;
    std::uint64_t end = first + 1;
    // Steps that double while they succeed, and halve until the end is found.
    std::uint64_t step = 1;
    while (step != 0) {
      if (end + step <= kLimit && bitmap.containsRange(end, end + step)) {
        end += step;
        if (step < kLargestStep) step *= 2;
      } else {
        step /= 2;
      }
    }
    function(first, end);
    if (end == kLimit) return;
    at.equalorlarger(static_cast<std::uint32_t>(end));
  }
}

}  // namespace ddsnap
