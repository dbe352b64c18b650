// The end of a delta stream: the index of its frames, totals, and the hash of the whole.
//
// Units     Bytes, except where a name says chunks or frames.
// Shape     DELTA.md, section 3.
// Errors    decode_*: kDamaged for anything that encode_* cannot have made. That totals and index
//           fit the frames is DeltaReader's to check.
// Threads   Plain functions and values.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ddsnap/base/hash.h"
#include "ddsnap/base/result.h"
#include "ddsnap/delta/delta_frame.h"

namespace ddsnap {

struct DeltaTotals {
  std::uint64_t frames = 0;
  std::uint64_t chunks = 0;
  std::uint64_t data_chunks = 0;
  std::uint64_t zero_chunks = 0;
  std::uint64_t same_chunks = 0;
  std::uint64_t payload_bytes = 0;
  friend bool operator==(const DeltaTotals&, const DeltaTotals&) = default;
};
// `payload_bytes` where the payload lies elsewhere than in the frame.
void add_frame(DeltaTotals& totals, const DeltaFrame& frame, std::size_t payload_bytes);
inline void add_frame(DeltaTotals& totals, const DeltaFrame& frame) {
  add_frame(totals, frame, frame.payload.size());
}

struct DeltaTrailer {
  DeltaTotals totals;
  std::uint64_t index_offset_bytes = 0;
  std::uint64_t stream_bytes = 0;  // from the first byte of the header to the last of the trailer
  Hash128 stream_hash;             // of all bytes before this field
};

inline constexpr std::size_t kIndexHeaderBytes = 16;
inline constexpr std::size_t kIndexEntryBytes = 16;
inline constexpr std::size_t kTrailerBytes = 96;
inline constexpr std::size_t kStreamHashBytes = 16;

std::vector<std::byte> encode_index_header(std::uint64_t frame_count);
std::vector<std::byte> encode_index_entry(const DeltaFrame& frame);
// Whether 16 bytes begin an index rather than a frame; then how many entries follow.
bool is_index_header(std::span<const std::byte, kIndexHeaderBytes> bytes);
Result<std::uint64_t> decode_index_header(std::span<const std::byte, kIndexHeaderBytes> bytes);

// All but the stream hash, which goes into the last 16 bytes.
std::vector<std::byte> encode_trailer(const DeltaTrailer& trailer);
Result<DeltaTrailer> decode_trailer(std::span<const std::byte, kTrailerBytes> bytes);

}  // namespace ddsnap
