// A delta in a file: read once from end to end, then any frame of it by its number.
//
// Shape     next() reads and checks as DeltaReader does, and remembers where each frame is: 32
// bytes
//           a frame. After the last one, load() and find() work; load() wants a source that can be
//           rewound.
// Errors    load(): kDamaged when the file is not any more what it was.
// Threads   None inside.
// Lifetime  Borrows the source.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "ddsnap/base/result.h"
#include "ddsnap/delta/byte_stream.h"
#include "ddsnap/delta/delta_reader.h"

namespace ddsnap {

class StoredDelta {
 public:
  static Result<StoredDelta> open(ByteSource& source);

  const DeltaHeader& header() const { return reader_.header(); }
  const std::string& name() const { return source_->name(); }
  // The first reading: frame after frame; nothing when all of the delta is known to be right.
  Result<std::optional<DeltaFrame>> next();

  // Requires of all that follows: next() said that there is no more.
  std::size_t frame_count() const { return places_.size(); }
  // Requires: frame_nr < frame_count().
  Result<DeltaFrame> load(std::size_t frame_nr);
  // The only frame that may name the chunk.
  std::optional<std::size_t> find(ChunkNr chunk) const;

 private:
  struct Place {
    std::uint64_t offset_bytes;
    std::uint64_t end_chunk;
    std::uint32_t stored_bytes;
    ChunkNr first_chunk;
  };
  StoredDelta(ByteSource& source, DeltaReader reader)
      : source_(&source), reader_(std::move(reader)) {}
  Result<DeltaFrame> read_frame(const Place& place);

  ByteSource* source_;
  DeltaReader reader_;
  std::vector<Place> places_;
};

// The entry of the frame that names the chunk; null when there is none.
const FrameEntry* find_entry(const DeltaFrame& frame, ChunkNr chunk);

}  // namespace ddsnap
