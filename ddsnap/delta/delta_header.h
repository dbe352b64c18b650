// The header of a delta stream: which volumes it lies between, and what may be trusted.
//
// Units     Chunks of 1 << chunk_shift bytes; everything else in bytes.
// Shape     256 bytes; DELTA.md, section 3. Written as version 1 where that can say it, else as 2.
// Errors    decode: kDamaged with a sentence for anything that encode cannot have made, kVersion
//           for a format of another program. What passed needs no further check below (D4).
// Threads   Plain functions and values.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "ddsnap/base/limits.h"
#include "ddsnap/base/result.h"
#include "ddsnap/base/units.h"
#include "ddsnap/base/uuid.h"

namespace ddsnap {

// What create-delta was asked for.
enum class DeltaMode : std::uint8_t {
  kRaw = 1,         // -r: new content
  kDifference = 2,  // -x: difference against the old content where that is smaller
  kBest = 3,        // -b: the smaller of both, frame by frame
};
const char* name_of(DeltaMode mode);

struct DeltaHeader {
  Uuid delta_uuid;
  Uuid from_uuid;  // nil: not known, or none (full)
  Uuid to_uuid;    // nil: not known
  std::string from_tag;
  std::string to_tag;
  std::uint64_t from_bytes = 0;
  std::uint64_t to_bytes = 0;
  std::uint64_t created_ns = 0;   // since 1970, UTC
  std::uint64_t chunk_count = 0;  // named in the whole delta
  unsigned chunk_shift = kDefaultChunkShift;
  std::uint32_t frame_data_bytes = 0;  // no frame has more content
  DeltaMode mode = DeltaMode::kRaw;
  bool from_is_proven = false;  // the device read as "from" proved to be from_uuid (D5)
  bool to_is_proven = false;
  // Chunks that turned out to be as before were left out, so chunk_count is the most there may be.
  bool is_trimmed = false;

  // Frames are larger than those of version 1.
  bool is_long() const { return frame_data_bytes > kMaxFrameDataBytes; }
  std::uint32_t most_frame_entries() const {
    return is_long() ? kMaxLongFrameEntries : kMaxFrameEntries;
  }
  ChunkGeometry from_geometry() const { return {chunk_shift, from_bytes}; }
  ChunkGeometry to_geometry() const { return {chunk_shift, to_bytes}; }
  // Old content exists below this and is what "before" means (D6).
  std::uint64_t common_bytes() const { return std::min(from_bytes, to_bytes); }
  // There is no older side: every chunk is named, zeros too (D6).
  bool is_full() const { return from_bytes == 0; }
  // Whether the chunk has no old content at all.
  bool is_new(ChunkNr chunk) const { return to_geometry().offset_of(chunk) >= common_bytes(); }
  // Whether the smaller volume ends inside the chunk.
  bool is_boundary(ChunkNr chunk) const {
    const std::uint64_t start = to_geometry().offset_of(chunk);
    return from_bytes != to_bytes && start < common_bytes() &&
           common_bytes() < start + to_geometry().chunk_bytes();
  }
};

inline constexpr std::size_t kDeltaHeaderBytes = 256;

std::vector<std::byte> encode_delta_header(const DeltaHeader& header);
Result<DeltaHeader> decode_delta_header(std::span<const std::byte, kDeltaHeaderBytes> bytes);

// kUsage when so many frames of this delta have no room in the memory that there is.
Status check_frame_memory(const DeltaHeader& header, std::size_t frames, std::size_t memory_bytes);

}  // namespace ddsnap
