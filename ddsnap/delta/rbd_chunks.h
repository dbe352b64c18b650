// Cuts the records of an RBD diff into chunks.
//
// Units     Chunks; ranges inside a chunk in bytes.
// Shape     Chunks that a record touches, in order; a long record of zeros gives all its whole
// chunks
//           at once.
// Errors    Those of RbdReader.
// Threads   None inside.
// Lifetime  Borrows the reader. What next() gives is good until the next call.
#pragma once

#include <optional>
#include <vector>

#include "ddsnap/delta/rbd_stream.h"

namespace ddsnap {

struct RbdChunk {
  ChunkRange chunks;             // one, or several that are wholly zero
  bool is_zero = false;          // wholly zero; then nothing below is set
  std::vector<ByteRange> known;  // what the stream tells of the chunk, in order
  std::vector<std::byte> bytes;  // the chunk; zeros where nothing is known

  // Whether all that the volume has of the chunk is known.
  bool is_whole(const ChunkGeometry& geometry) const;
};

class RbdChunks {
 public:
  RbdChunks(RbdReader& reader, const ChunkGeometry& geometry)
      : reader_(reader), geometry_(geometry) {}

  // Null at the end.
  Result<const RbdChunk*> next();

 private:
  Status load();
  // Moves what the present record has of the chunk there.
  Status take_part();

  RbdReader& reader_;
  const ChunkGeometry geometry_;
  std::optional<RbdRecord> record_;  // what is left of it
  bool is_at_end_ = false;
  RbdChunk chunk_;
};

}  // namespace ddsnap
