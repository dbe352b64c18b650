// Looks at all of one device, or of two side by side, with several threads: what comparing and
// digesting have in common.
//
// Units     Chunks; a piece is adjacent ones, at most kScanPieceBytes, or more where all is known
// to
//           be zero without reading.
// Shape     Holes are not read. Regular files are mapped, each piece by the thread that works on
// it;
//           everything else is read by one thread for each device, a piece ahead of the workers.
//           The pieces are consumed in order.
// Errors    As the devices say, or as the stages return; kInterrupted.
// Threads   work() is called by several threads at once, consume() by the caller's.
// Lifetime  Borrows devices and context. A piece's bytes are good during work() only.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "ddsnap/base/aligned_buffer.h"
#include "ddsnap/base/hash.h"
#include "ddsnap/base/result.h"
#include "ddsnap/base/units.h"
#include "ddsnap/base/work_context.h"
#include "ddsnap/io/block_device.h"
#include "ddsnap/io/mapped_range.h"

namespace ddsnap {

struct ScanPiece {
  ChunkRange chunks;
  unsigned chunk_shift = kDefaultChunkShift;

  struct Side {
    bool is_zero = false;              // reads as zeros as far as the device goes
    std::span<const std::byte> bytes;  // what the device has of the piece, unless is_zero
    // Where the bytes are.
    std::optional<MappedRange> mapped;
    AlignedBuffer buffer;
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
    bool is_mapped;
    std::vector<ChunkRange> zeros;  // whole chunks of the present region
  };

  Result<bool> next_piece(ScanPiece& piece);
  Status enter_region();
  Result<std::vector<ChunkRange>> zero_chunks(const Source& source) const;
  Status read(ScanPiece& piece);
  Status map(ScanPiece& piece);
  static Status read_side(Source& source, ChunkRange chunks, ScanPiece::Side& side);

  std::vector<Source> sources_;
  const unsigned chunk_shift_;
  WorkContext& context_;
  std::uint64_t chunk_count_ = 0;
  std::uint64_t next_chunk_ = 0;
  ChunkRange region_;
  std::mutex read_mutex_;  // held by a worker that reads what could not be mapped
};

// The chunk's hashes, padded with zeros when it is short (T8).
ChunkHash hash_padded(std::span<const std::byte> bytes, std::size_t chunk_bytes);
Hash128 digest_padded(std::span<const std::byte> bytes, std::size_t chunk_bytes);
// Fills the digests of a piece of one device; a piece that is zero gets none.
void digest_piece(ScanPiece& piece);

}  // namespace ddsnap
