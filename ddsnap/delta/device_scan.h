// Looks at all of one device, or of two side by side, with several threads: what comparing and
// digesting have in common.
//
// Units     Chunks; a piece is adjacent ones, at most kScanPieceBytes, or more where all is known
// to
//           be zero without reading.
// Shape     Holes are not read. Of regular files each thread reads the pieces that it works on,
//           small ones, which do not leave its cache (turn_pipeline.h); everything else is read by
//           one thread for each device, a piece ahead of the workers. The pieces are consumed in
//           order.
// Errors    As the devices say, or as the stages return; kInterrupted.
// Threads   work() is called by several threads at once, consume() by one at a time.
// Lifetime  Borrows devices and context. A piece's bytes are good during work() only.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "ddsnap/base/aligned_buffer.h"
#include "ddsnap/base/hash.h"
#include "ddsnap/base/result.h"
#include "ddsnap/base/units.h"
#include "ddsnap/base/work_context.h"
#include "ddsnap/io/block_device.h"

namespace ddsnap {

struct ScanPiece {
  ChunkRange chunks;
  unsigned chunk_shift = kDefaultChunkShift;

  struct Side {
    bool is_zero = false;              // reads as zeros as far as the device goes
    std::span<const std::byte> bytes;  // what the device has of the piece, unless is_zero
    AlignedBuffer buffer;              // where the bytes are
  };
  std::vector<Side> sides;  // in the order of the devices

  // What work() finds, for consume().
  std::vector<ChunkNr> found;
  std::vector<ChunkHash> hashes;
  std::vector<Hash128> digests;

  // What the device has of a chunk: shorter than a chunk where it ends. Requires: index is below
  // chunks.count; the side is not zero.
  std::span<const std::byte> bytes_of(const Side& side, std::uint32_t index) const;
  std::size_t weight_bytes() const;
};

class DeviceScan {
 public:
  struct Stages {
    std::function<Status(ScanPiece&)> work;
    std::function<Status(ScanPiece&)> consume;
  };
  // Requires: the devices hold at most kMaxChunks chunks.
  DeviceScan(std::span<BlockDevice* const> devices, unsigned chunk_shift, WorkContext& context);

  // To the end of the largest device.
  Status run(const Stages& stages);

 private:
  struct Source {
    BlockDevice& device;
    ChunkGeometry geometry;
    std::vector<ChunkRange> zeros;  // whole chunks of the present region
  };

  Status run_in_turns(const Stages& stages);
  Status run_ahead(const Stages& stages);
  Status consume(const Stages& stages, ScanPiece& piece);
  Result<bool> next_piece(ScanPiece& piece);
  Status enter_region();
  Result<std::vector<ChunkRange>> zero_chunks(const Source& source) const;
  Status read(ScanPiece& piece);
  Status read_side_by_side(ScanPiece& piece);
  static Status read_side(Source& source, ChunkRange chunks, ScanPiece::Side& side);

  std::vector<Source> sources_;
  const unsigned chunk_shift_;
  WorkContext& context_;
  std::uint64_t chunk_count_ = 0;
  std::uint64_t next_chunk_ = 0;
  ChunkRange region_;
  bool is_in_turns_ = true;  // all are files
  std::size_t piece_bytes_ = 0;
};

// The chunk's hashes, padded with zeros when it is short (T8).
ChunkHash hash_padded(std::span<const std::byte> bytes, std::size_t chunk_bytes);
Hash128 digest_padded(std::span<const std::byte> bytes, std::size_t chunk_bytes);
// Fills the digests of a piece of one device; a piece that is zero gets none.
void digest_piece(ScanPiece& piece);

}  // namespace ddsnap
