// Whole chunks of a device in memory: adjacent ones in one request, the end of the volume padded
// with zeros.
//
// Units     Chunks of the geometry. Its volume_bytes may be less than the device has: what lies
//           beyond reads as zeros here and is never changed.
// Errors    As the device says.
// Threads   As the device.
// Lifetime  Borrows the device.
#pragma once

#include <span>
#include <vector>

#include "ddsnap/base/result.h"
#include "ddsnap/base/units.h"
#include "ddsnap/io/block_device.h"

namespace ddsnap {

class ChunkIo {
 public:
  // Requires: check_holds_volume(device, geometry) succeeds.
  ChunkIo(BlockDevice& device, ChunkGeometry geometry) : device_(device), geometry_(geometry) {}

  // `into` gets chunk after chunk. Requires: the chunks ascend and begin inside the volume; `into`
  // has room for all.
  Status read(std::span<const ChunkNr> chunks, std::span<std::byte> into);
  // The opposite; what the last chunk has beyond the volume is not written.
  Status write(std::span<const ChunkNr> chunks, std::span<const std::byte> from);
  // The same in parts, for one batch out of several calls: the requests, then, when they are done,
  // what is beyond the volume cleared (read) or the part of a block that it ends in (write).
  void plan_read(std::span<const ChunkNr> chunks, std::span<std::byte> into,
                 std::vector<IoRequest>& batch);
  void finish_read(std::span<const ChunkNr> chunks, std::span<std::byte> into);
  void plan_write(std::span<const ChunkNr> chunks, std::span<const std::byte> from,
                  std::vector<IoRequest>& batch);
  // A part of one chunk, joined to the request before where both go on in it.
  void plan_write_part(ChunkNr chunk, std::size_t from_bytes, std::span<const std::byte> from,
                       std::vector<IoRequest>& batch);
  Status finish_write(std::span<const ChunkNr> chunks, std::span<const std::byte> from);
  // The chunks read as zeros afterwards (write_zeroes, never a bare discard: D6). What the device
  // knows to be a hole is left one.
  Status zero(ChunkRange chunks);

  const ChunkGeometry& geometry() const { return geometry_; }
  BlockDevice& device() { return device_; }

 private:
  // The volume's part of the block in which it ends, when the device goes on in that block.
  Status write_last_bytes(std::span<const std::byte> bytes);
  // Where the volume's last block that is its alone ends.
  std::uint64_t own_blocks_end() const;

  BlockDevice& device_;
  ChunkGeometry geometry_;
};

// kUsage when the device is smaller than the volume or its blocks are larger than the chunks.
Status check_holds_volume(const BlockDevice& device, const ChunkGeometry& geometry);

}  // namespace ddsnap
