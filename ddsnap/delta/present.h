// Compares what a target holds now with what a delta starts from and ends in (D2).
//
// Units     Chunks of the newer volume.
// Shape     A frame is cut into looks, so that whatever it names, little is in memory at once. A
//           look is planned, its chunks are read (or are known to be a hole), and it is judged.
//           Verdicts on adjacent chunks that are equal come as one run.
// Errors    As the device says.
// Threads   Plain functions and values; looks may be judged in parallel.
// Lifetime  A Look borrows nothing.
#pragma once

#include <span>
#include <vector>

#include "ddsnap/base/result.h"
#include "ddsnap/delta/chunk_io.h"
#include "ddsnap/delta/delta_frame.h"

namespace ddsnap {

struct PresentRun {
  ChunkRange chunks;
  bool is_before = false;    // they hold what the delta starts from, as far as that is known
  bool is_after = false;     // they hold what the delta ends in
  bool is_unproven = false;  // the delta does not know what it starts from here
};

// Some adjacent chunks of one entry.
struct Looked {
  FrameEntry entry;      // cut to these chunks
  bool is_hole = false;  // known to read as zeros; otherwise the chunks are in the look's buffer
};

// What is looked at together.
struct Look {
  std::vector<Looked> asked;
  std::size_t read_chunks = 0;
};

// The looks that a frame takes, in order. Of each at most kReadPieceBytes, or one chunk, are to be
// read; of a difference as much as it has content, so that its prefix is one look where it names
// nothing else. Holes of the target are told apart in runs of zeros alone: a full delta of a sparse
// volume has little else.
Result<std::vector<Look>> plan_looks(const DeltaHeader& header, BlockDevice& target,
                                     const DeltaFrame& frame);
// The chunks to read, in order.
std::vector<ChunkNr> chunks_to_read(const Look& look);
// `present` holds them, one after the other; a boundary chunk is cut there (cut_boundary).
std::vector<PresentRun> judge(const DeltaHeader& header, const Look& look,
                              std::span<std::byte> present);
// Adds a run behind the others, joining it to the last where it can be.
void append_run(std::vector<PresentRun>& runs, const PresentRun& run);

// A chunk in which the older volume ended: only its part below is what "before" speaks of (D6).
void cut_boundary(const DeltaHeader& header, ChunkNr chunk, std::span<std::byte> content);

// Whether the old content of the entry's chunk is part of a difference's prefix (D3).
inline bool is_prefix_part(const FrameEntry& entry) {
  return entry.content == ContentKind::kData && entry.before_kind == BeforeKind::kKnown;
}
// The chunks whose old content a frame's difference refers to; none for other encodings.
std::vector<ChunkNr> prefix_chunks(const DeltaFrame& frame);
// Makes of those chunks, as read from the target, the difference's prefix.
void cut_prefix(const DeltaHeader& header, std::span<const ChunkNr> chunks,
                std::span<std::byte> prefix);
// Whether it is the old content that the frame was made against.
bool is_right_prefix(const DeltaHeader& header, const DeltaFrame& frame,
                     std::span<const std::byte> prefix);

}  // namespace ddsnap
