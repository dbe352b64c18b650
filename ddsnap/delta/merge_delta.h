// Makes one delta of several that follow on each other: 0-1 and 1-2 give 0-2.
//
// Shape     Two passes over the deltas side by side, in chunk order. The first one checks all that
//           can be checked (D1) and counts; the second one writes. A frame that no other delta has
//           to do with goes through as it is; other content is decoded and encoded anew, by several
//           threads. Applying the result does what applying the deltas in turn does, and refuses
//           what the first of them would refuse.
// Errors    kUsage for deltas that cannot follow on each other (uuids, sizes, chunks), for pipes,
// and
//           where a difference refers to content that neither the deltas nor a base have; kFailed,
//           naming the chunk, where contents do not follow; kDamaged as DeltaReader says.
// Threads   As many as the context says, while it runs.
// Lifetime  Borrows everything for the call. Memory: of each delta one frame, and what the context
//           and kMergeCacheBytes allow.
#pragma once

#include <cstdint>
#include <span>

#include "ddsnap/base/random.h"
#include "ddsnap/base/result.h"
#include "ddsnap/base/work_context.h"
#include "ddsnap/delta/byte_stream.h"
#include "ddsnap/delta/codec.h"
#include "ddsnap/delta/delta_trailer.h"
#include "ddsnap/io/block_device.h"

namespace ddsnap {

struct MergeOptions {
  CodecChoice codec;
  std::uint64_t created_ns = 0;  // since 1970, UTC
};

struct MergeReport {
  DeltaHeader header;
  DeltaTotals totals;
  std::uint64_t frames_as_they_were = 0;
};

// `base`, when not null, holds what the first delta starts from; content that is encoded anew is
// then a difference to it where that is smaller.
Result<MergeReport> merge_deltas(std::span<ByteSource* const> sources, BlockDevice* base,
                                 const MergeOptions& options, RandomSource& random,
                                 WorkContext& context, ByteSink& sink);

}  // namespace ddsnap
