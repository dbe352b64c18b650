// Where a device is known to read as zeros, asked for window by window as work goes along it.
//
// Units     Chunks. One that is only partly in a hole counts as content.
// Shape     Asks the device about long stretches only: for a few chunks it is quicker to read them.
// Errors    As BlockDevice::extents() says.
// Threads   As the device.
// Lifetime  Borrows the device. What it says was true when it asked.
#pragma once

#include <cstddef>
#include <vector>

#include "ddsnap/base/limits.h"
#include "ddsnap/base/result.h"
#include "ddsnap/base/units.h"
#include "ddsnap/io/block_device.h"

namespace ddsnap {

class HoleMap {
 public:
  HoleMap(BlockDevice& device, ChunkGeometry geometry) : device_(device), geometry_(geometry) {}

  struct Stretch {
    std::uint32_t count = 0;  // of chunks from the first one on
    bool is_hole = false;
  };
  // How the chunks begin. Requires: they are not empty, lie inside the volume, and come after those
  // asked about before.
  Result<Stretch> begin_of(ChunkRange chunks);

 private:
  Status ask(ByteRange range);

  BlockDevice& device_;
  const ChunkGeometry geometry_;
  std::vector<Extent> extents_;                    // of the window
  std::size_t at_ = 0;                             // all extents before this one are behind us
  std::uint64_t window_bytes_ = kHoleWindowBytes;  // of the next question
  std::uint64_t window_end_bytes_ = 0;
};

}  // namespace ddsnap
