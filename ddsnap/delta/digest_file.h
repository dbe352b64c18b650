// The pieces of a digest file: XXH3-128 of every chunk of a volume, so that what changed can be
// told later without the old content.
//
// Units     Chunks of 1 << chunk_shift bytes; sizes in bytes.
// Shape     DELTA.md, section 7: header, blocks of hashes or of zeros, trailer.
// Errors    decode_*: kDamaged for anything that encode_* cannot have made, kVersion for a format
// of
//           another program.
// Threads   Plain functions and values.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ddsnap/base/hash.h"
#include "ddsnap/base/result.h"
#include "ddsnap/base/units.h"
#include "ddsnap/base/uuid.h"

namespace ddsnap {

struct DigestHeader {
  Uuid uuid;  // of the snapshot that the device proved to be; nil: not known
  std::uint64_t volume_bytes = 0;
  std::uint64_t created_ns = 0;  // since 1970, UTC
  unsigned chunk_shift = kDefaultChunkShift;

  ChunkGeometry geometry() const { return {chunk_shift, volume_bytes}; }
};

enum class DigestBlockKind : std::uint8_t {
  kHashes = 1,  // so many follow
  kZeros = 2,   // that many chunks are all zero; nothing follows
  kEnd = 3,     // no chunks: the hash of the file follows
};

struct DigestBlock {
  DigestBlockKind kind = DigestBlockKind::kHashes;
  ChunkRange chunks;
  std::uint64_t hashes_checksum = 0;
};

inline constexpr std::size_t kDigestHeaderBytes = 64;
inline constexpr std::size_t kDigestBlockBytes = 32;
inline constexpr std::size_t kDigestHashBytes = 16;

std::vector<std::byte> encode_digest_header(const DigestHeader& header);
Result<DigestHeader> decode_digest_header(std::span<const std::byte, kDigestHeaderBytes> bytes);

// Sets the checksum of the hashes.
std::vector<std::byte> encode_digest_block(DigestBlockKind kind, ChunkRange chunks,
                                           std::span<const std::byte> hashes);
Result<DigestBlock> decode_digest_block(std::span<const std::byte, kDigestBlockBytes> bytes);
std::uint64_t checksum_of_digest_hashes(std::span<const std::byte> hashes);

}  // namespace ddsnap
