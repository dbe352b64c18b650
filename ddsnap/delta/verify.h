// Checks a delta by itself, and against a device without writing to it.
//
// Shape     Alone: everything but the content of differences, which needs the old content. With a
//           device: what apply_delta would find there.
// Errors    kDamaged when the delta is not what was written; kUsage for a device of another size.
// Threads   Those of the context, inside the call.
// Lifetime  Borrows everything for the call.
#pragma once

#include <string>
#include <vector>

#include "ddsnap/base/result.h"
#include "ddsnap/base/work_context.h"
#include "ddsnap/delta/apply_state.h"
#include "ddsnap/delta/byte_stream.h"
#include "ddsnap/delta/delta_trailer.h"
#include "ddsnap/io/block_device.h"

namespace ddsnap {

struct DeltaFacts {
  DeltaHeader header;
  DeltaTrailer trailer;
  std::uint64_t frames_by_encoding[6] = {};  // by the value of Encoding
  std::uint64_t unknown_chunks = 0;          // whose hash before is not known
  std::uint64_t undecoded_frames = 0;  // differences without base: only their hash was checked
};

// Reads the delta to its end and checks it.
Result<DeltaFacts> verify_delta(ByteSource& source, const WorkContext& context = {.workers = 0});

enum class Fit {
  kFits,            // every chunk holds what the delta starts from: it can be applied
  kAlreadyApplied,  // every chunk holds what it ends in
  kPartlyApplied,   // some the one, some the other
  kForeign,         // some neither
};
const char* name_of(Fit fit);

// Ranges of a kind: how many chunks, and the first kMaxReportedRanges ranges.
struct ChunkTally {
  std::uint64_t chunks = 0;
  std::vector<ChunkRange> ranges;
};

struct FitReport {
  DeltaFacts delta;
  Fit fit = Fit::kFits;
  ChunkTally before;     // hold what the delta starts from and not what it ends in
  ChunkTally after;      // the other way round
  ChunkTally unchanged;  // hold both, which are the same or not distinguishable
  ChunkTally foreign;    // hold neither
  ChunkTally
      in_doubt;  // in the window of an interrupted apply: may hold anything, is written again
  ChunkTally unproven;  // among the first and third: the delta does not know what it starts from
  bool is_base_proven = false;  // by the record: then unproven chunks are no obstacle
  bool is_interrupted = false;  // the record names an unfinished apply of this very delta
  bool was_replaced = false;    // the device is not what the record was kept for: it was ignored
  std::string history;          // why the record forbids this delta; empty where it does not
};

// `state` is what is remembered with the device.
Result<FitReport> verify_delta_against(ByteSource& source, BlockDevice& device, TargetState state,
                                       const WorkContext& context = {.workers = 0});

}  // namespace ddsnap
