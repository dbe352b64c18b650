// A stretch of a volume in memory, and the hash of each of its chunks: what two machines compare.
//
// Units     Chunks of the geometry; XXH3-128, a short last chunk padded with zeros.
// Shape     One window at a time, read in one go; what is known to be zero is not read.
// Errors    As the device says; kInterrupted.
// Threads   None inside.
// Lifetime  Borrows device and context. bytes() is good until the next read().
#pragma once

#include <span>
#include <vector>

#include "ddsnap/base/aligned_buffer.h"
#include "ddsnap/base/hash.h"
#include "ddsnap/base/result.h"
#include "ddsnap/base/units.h"
#include "ddsnap/base/work_context.h"
#include "ddsnap/delta/chunk_io.h"
#include "ddsnap/io/block_device.h"

namespace ddsnap {

class HashWindow {
 public:
  // Requires: check_holds_volume(device, geometry) succeeds.
  HashWindow(BlockDevice& device, ChunkGeometry geometry, WorkContext& context)
      : io_(device, geometry), context_(context) {}

  // Requires: the chunks lie in the volume and are not none.
  Status read(ChunkRange chunks);
  ChunkRange chunks() const { return chunks_; }
  // Whole chunks, one after the other. Requires: !is_zero().
  std::span<const std::byte> bytes() const { return buffer_.span().first(used_bytes_); }
  bool is_zero() const { return is_zero_; }
  // One a chunk; none where all of it is zero.
  std::vector<Hash128> hashes() const;
  // What a chunk of zeros hashes to.
  Hash128 zero_hash() const;

 private:
  Status find_out_whether_zero(ByteRange bytes);

  ChunkIo io_;
  WorkContext& context_;
  ChunkRange chunks_;
  AlignedBuffer buffer_;
  std::size_t used_bytes_ = 0;
  bool is_zero_ = false;
};

// How many hashes may be on their way at once: as many as either side has room for while both
// write.
unsigned hash_windows_ahead(std::uint32_t window_chunks);

}  // namespace ddsnap
