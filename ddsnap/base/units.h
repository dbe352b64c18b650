// The small types that keep chunk numbers, slots, epochs and byte ranges apart, and the arithmetic
// between them.
//
// Units     ChunkNr counts chunks of a volume, SlotNr chunk-sized places in a snapstore, Epoch
// boundaries of a store (1 is the first). Source    DESIGN.md, section 1 (the glossary).
#pragma once

#include <algorithm>
#include <compare>
#include <cstdint>

namespace ddsnap {

struct ChunkNr {
  std::uint32_t value = 0;
  friend auto operator<=>(ChunkNr, ChunkNr) = default;
};

struct SlotNr {
  std::uint32_t value = 0;
  friend auto operator<=>(SlotNr, SlotNr) = default;
};

// Grows with every boundary and is never reused; 0 means "none".
struct Epoch {
  std::uint64_t value = 0;
  friend auto operator<=>(Epoch, Epoch) = default;
  explicit operator bool() const { return value != 0; }
};

struct ByteRange {
  std::uint64_t offset_bytes = 0;
  std::uint64_t length_bytes = 0;
  std::uint64_t end_bytes() const { return offset_bytes + length_bytes; }
  friend bool operator==(const ByteRange&, const ByteRange&) = default;
};

// `count` chunks from `first` on. The end is a 64-bit number, so that a range may end at 2^32.
struct ChunkRange {
  ChunkNr first;
  std::uint32_t count = 0;
  std::uint64_t end() const { return std::uint64_t{first.value} + count; }
  friend bool operator==(const ChunkRange&, const ChunkRange&) = default;
};

inline constexpr unsigned kMinChunkShift = 12;      // 4 KiB
inline constexpr unsigned kMaxChunkShift = 20;      // 1 MiB
inline constexpr unsigned kDefaultChunkShift = 14;  // 16 KiB
inline constexpr std::uint64_t kMaxChunks = std::uint64_t{1} << 32;

// How a volume is cut into chunks. The last chunk may be short; it is zero-padded wherever a whole
// chunk is stored or hashed.
struct ChunkGeometry {
  unsigned chunk_shift = kDefaultChunkShift;
  std::uint64_t volume_bytes = 0;

  std::uint32_t chunk_bytes() const { return std::uint32_t{1} << chunk_shift; }
  std::uint64_t chunk_count() const { return (volume_bytes + chunk_bytes() - 1) >> chunk_shift; }
  ChunkNr chunk_at(std::uint64_t offset_bytes) const {
    return {static_cast<std::uint32_t>(offset_bytes >> chunk_shift)};
  }
  std::uint64_t offset_of(ChunkNr chunk) const { return std::uint64_t{chunk.value} << chunk_shift; }
  // The bytes of `chunk` that exist on the volume: shorter than a chunk only at the end.
  ByteRange bytes_of(ChunkNr chunk) const {
    const std::uint64_t offset = offset_of(chunk);
    const std::uint64_t end = std::min<std::uint64_t>(offset + chunk_bytes(), volume_bytes);
    return {offset, end > offset ? end - offset : 0};
  }
  // Every chunk that `bytes` touches. Requires: bytes lie inside the volume and are not empty.
  ChunkRange chunks_touching(ByteRange bytes) const {
    const ChunkNr first = chunk_at(bytes.offset_bytes);
    const std::uint64_t last = (bytes.end_bytes() - 1) >> chunk_shift;
    return {first, static_cast<std::uint32_t>(last - first.value + 1)};
  }
};

constexpr std::uint64_t round_up(std::uint64_t value, std::uint64_t unit) {
  return (value + unit - 1) / unit * unit;
}
constexpr std::uint64_t round_down(std::uint64_t value, std::uint64_t unit) {
  return value / unit * unit;
}

}  // namespace ddsnap
