// Which parts of a difference's content the target does not hold yet. Only they are written, so
// only they can tear, and only they are kept in the journal (D3).
//
// Units     Blocks of kChangedBlockBytes, counted within the decoded content of one frame.
// Shape     Runs ascend and do not touch. Chunks that may reach beyond what is theirs alone (where
//           one of the volumes ends) are changed as a whole.
// Threads   Plain functions and values.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ddsnap/delta/delta_frame.h"
#include "ddsnap/io/block_device.h"

namespace ddsnap {

inline constexpr std::size_t kChangedBlockBytes = 4096;

struct BlockRun {
  std::uint32_t first = 0;
  std::uint32_t count = 0;

  std::uint64_t end() const { return std::uint64_t{first} + count; }
  std::size_t offset_bytes() const;
  std::size_t length_bytes() const;
  friend bool operator==(const BlockRun&, const BlockRun&) = default;
};

// A power cut may hurt a whole unit around what is written; a multiple of kChangedBlockBytes.
std::size_t changed_unit_bytes(const DeviceGeometry& device);

// Requires: `prefix` is what the target holds in prefix_chunks() of the frame, which is a
// difference and decodes to `content`.
std::vector<BlockRun> find_changed_blocks(const DeltaHeader& header, const DeltaFrame& frame,
                                          std::span<const std::byte> prefix,
                                          std::span<const std::byte> content,
                                          std::size_t unit_bytes);
// All of a frame's content.
std::vector<BlockRun> all_blocks(const DeltaFrame& frame);

// The part of a frame's content that the run is. Requires: it lies inside.
std::span<const std::byte> part_of(std::span<const std::byte> content, const BlockRun& run);

}  // namespace ddsnap
