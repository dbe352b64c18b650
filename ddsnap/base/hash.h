// The hashes of DESIGN section 4: XXH3-64 for a chunk, XXH3-128 for frames and streams, seeded
// XXH3-64 as checksum of metadata.
//
// Source    xxHash (libxxhash). Not cryptographic: they find damage, not forgery.
#pragma once

#include <xxhash.h>
#if defined(__x86_64__)
// Gives the same functions in AVX2 and AVX-512 too, chosen at run time: 4 times the speed for a
// chunk, and for a stream, where Debian's baseline build makes 4 GiB/s, 17 times.
#include <xxh_x86dispatch.h>
#endif

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <span>

namespace ddsnap {

struct ChunkHash {
  std::uint64_t value = 0;
  friend auto operator<=>(ChunkHash, ChunkHash) = default;
};

// Of a whole chunk: a short last chunk is padded with zeros first (T8).
inline ChunkHash hash_chunk(std::span<const std::byte> chunk) {
  return {XXH3_64bits(chunk.data(), chunk.size())};
}

// Of a metadata block; `seed` salts it by block type and store, so that a block read as another
// kind fails.
inline std::uint64_t checksum_of(std::span<const std::byte> bytes, std::uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

struct Hash128 {
  std::array<std::byte, 16> bytes{};  // canonical (big-endian) XXH3-128
  friend auto operator<=>(const Hash128&, const Hash128&) = default;
};

Hash128 hash128_of(std::span<const std::byte> bytes);

bool is_all_zero(std::span<const std::byte> bytes);

}  // namespace ddsnap
