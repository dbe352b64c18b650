// What follows from several deltas taken together, told from their headers and entries alone.
//
// Units     Chunks; sizes in bytes. Volume i lies before delta i, volume i + 1 behind it.
// Shape     Rests on D6: a delta between sizes names every chunk from the smaller end on, so that
// of
//           the deltas which name a chunk the last one alone says what it ends as, and the first
//           one what it was, wherever the sizes went in between.
// Errors    kUsage for deltas that can never follow on each other; kFailed, naming the chunk, where
//           one does not start from what the one before leaves.
// Threads   Plain functions.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ddsnap/base/result.h"
#include "ddsnap/delta/delta_header.h"
#include "ddsnap/delta/merge_sweep.h"

namespace ddsnap {

// A header for all of them together: ends, sizes and tags. Its own uuid, time, mode and chunk count
// are not set. `names` stand in messages. Requires: not none.
Result<DeltaHeader> chain_headers(std::span<const DeltaHeader> headers,
                                  std::span<const std::string> names);

// How much of the chunk lies below a place on the volume.
std::size_t bytes_below(const ChunkGeometry& geometry, ChunkNr chunk, std::uint64_t limit_bytes);

// Where a segment must end, since chunks on either side have other kinds.
std::vector<std::uint64_t> merge_borders(const DeltaHeader& merged);

// Whether each entry starts from what the one before it leaves.
Status check_follows(std::span<const DeltaHeader> headers, std::span<const std::string> names,
                     const MergeSegment& segment);

struct MergedEntry {
  FrameEntry entry;
  LayerEntry content;  // where the content is; for kData only
};
// Nothing for chunks beyond the newest volume. Requires: check_follows() succeeded.
std::optional<MergedEntry> merge_entries(std::span<const DeltaHeader> headers,
                                         const DeltaHeader& merged, const MergeSegment& segment);

}  // namespace ddsnap
