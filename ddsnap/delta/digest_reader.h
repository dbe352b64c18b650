// Reads a digest file chunk by chunk.
//
// Errors    kDamaged for anything that is not exactly one whole digest, at the latest in finish();
//           memory is bounded by one block (D4).
// Threads   None inside.
// Lifetime  Borrows the source.
#pragma once

#include <cstdint>
#include <vector>

#include "ddsnap/delta/byte_stream.h"
#include "ddsnap/delta/digest_file.h"
#include "ddsnap/delta/stream_hash.h"

namespace ddsnap {

class DigestReader {
 public:
  // Reads the header.
  static Result<DigestReader> open(ByteSource& source);

  const DigestHeader& header() const { return header_; }
  // Of the next chunk. Requires: as many as the volume has were not asked for yet.
  Result<Hash128> next();
  // Requires: all chunks were asked for. Only then everything is known to be right.
  Status finish();

 private:
  DigestReader(ByteSource& source, const DigestHeader& header);
  Status take(std::span<std::byte> into);
  Status read_block();
  Result<DigestBlock> read_block_header();

  ByteSource* source_;
  DigestHeader header_;
  Hash128 zero_;  // what a chunk of zeros hashes to
  StreamHash hash_;
  std::uint64_t next_chunk_ = 0;  // the first one that no block held so far
  std::uint32_t left_ = 0;        // of the present block
  DigestBlockKind kind_ = DigestBlockKind::kZeros;
  std::vector<std::byte> hashes_;
};

}  // namespace ddsnap
