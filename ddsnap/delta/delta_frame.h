// A frame of a delta stream: some chunks, what each held before and holds after, and their content.
//
// Units     Chunks of the newer volume; everything else in bytes.
// Shape     A fixed part, a table of entries, the payload; DELTA.md, section 3.
// Errors    decode_*: kDamaged with a sentence for anything that encode cannot have made. What
//           passed needs no further check below (D4); what spans frames (order, counts,
//           whole-stream hash) is DeltaReader's to check.
// Threads   Plain functions and values.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ddsnap/base/hash.h"
#include "ddsnap/base/result.h"
#include "ddsnap/base/units.h"
#include "ddsnap/delta/codec.h"
#include "ddsnap/delta/delta_header.h"

namespace ddsnap {

enum class ContentKind : std::uint8_t {
  kData = 1,  // in the frame's content
  kZero = 2,  // all zeros
  kSame = 3,  // listed as changed, but byte for byte as before
};
enum class BeforeKind : std::uint8_t {
  kKnown = 1,
  kUnknown = 2,  // bookmark bases: the base must be proven otherwise (D2)
  kNew = 3,      // there was nothing before: the volume grew, or the delta is full
};

// One chunk; or several adjacent ones, all zero, whose hashes before are not known.
struct FrameEntry {
  ChunkNr first;
  std::uint32_t count = 1;
  ContentKind content = ContentKind::kData;
  BeforeKind before_kind = BeforeKind::kUnknown;
  ChunkHash before;  // kKnown only; zero-padded beyond common_bytes()
  ChunkHash after;   // zero-padded beyond to_bytes (T8)

  std::uint64_t end() const { return std::uint64_t{first.value} + count; }
};

// Adds an entry behind all others; runs of zero chunks join where they may, and are cut where one
// entry cannot hold them.
void append_entry(std::vector<FrameEntry>& entries, FrameEntry entry);

struct DeltaFrame {
  std::uint64_t frame_nr = 0;
  std::uint64_t offset_bytes = 0;  // of the frame in the stream
  Encoding encoding = Encoding::kStored;
  std::uint32_t data_bytes = 0;  // of its decoded content: the kData chunks, one after the other
  std::vector<FrameEntry> entries;
  std::vector<std::byte> payload;
  std::uint32_t stored_bytes = 0;  // of the whole frame in the stream
};

inline constexpr std::size_t kFrameHeaderStoredBytes = 48;
inline constexpr std::size_t kFrameEntryBytes = 24;

// Frame header, entries and payload, hashed together with the delta's uuid, so that a frame of
// another delta fails.
std::vector<std::byte> encode_delta_frame(const DeltaHeader& header, const DeltaFrame& frame);
// The same without its payload, which may lie anywhere; frame.payload is not looked at.
std::vector<std::byte> encode_delta_frame_head(const DeltaHeader& header, const DeltaFrame& frame,
                                               std::span<const std::byte> payload);

// The frame's fixed part, checked by itself: then it is known how many bytes follow.
struct FrameShape {
  std::uint64_t frame_nr = 0;
  Encoding encoding = Encoding::kStored;
  std::uint32_t entry_count = 0;
  std::uint32_t data_bytes = 0;
  std::uint32_t payload_bytes = 0;
  std::size_t table_bytes() const { return std::size_t{entry_count} * kFrameEntryBytes; }
  std::size_t rest_bytes() const { return table_bytes() + payload_bytes; }
};
Result<FrameShape> decode_frame_shape(const DeltaHeader& header,
                                      std::span<const std::byte, kFrameHeaderStoredBytes> bytes);
// What follows the fixed part: the table of entries, then the payload.
Result<DeltaFrame> decode_delta_frame(const DeltaHeader& header,
                                      std::span<const std::byte, kFrameHeaderStoredBytes> fixed,
                                      std::span<const std::byte> table,
                                      std::vector<std::byte> payload);
// The same; `rest` is both, one after the other.
Result<DeltaFrame> decode_delta_frame(const DeltaHeader& header,
                                      std::span<const std::byte, kFrameHeaderStoredBytes> fixed,
                                      std::span<const std::byte> rest);

// What a chunk of zeros hashes to.
ChunkHash hash_of_zero_chunk(unsigned chunk_shift);

}  // namespace ddsnap
