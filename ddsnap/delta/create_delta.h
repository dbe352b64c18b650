// Makes a delta from a changelist and the devices that it speaks of.
//
// Shape     One pass in chunk order; frames of whole chunks, each independent of all others.
// Errors    kUsage where list and devices cannot belong together (sizes, proven uuids, a list up to
//           "now": D5); kFailed, naming the chunks, where the old device does not hold what the
//           list says. After an error the sink holds nothing of use.
// Threads   None inside.
// Lifetime  Borrows everything for the call.
#pragma once

#include <cstdint>

#include "ddsnap/base/limits.h"
#include "ddsnap/base/random.h"
#include "ddsnap/base/result.h"
#include "ddsnap/delta/byte_stream.h"
#include "ddsnap/delta/changelist.h"
#include "ddsnap/delta/codec.h"
#include "ddsnap/delta/delta_trailer.h"
#include "ddsnap/io/block_device.h"

namespace ddsnap {

struct CreateDeltaOptions {
  DeltaMode mode = DeltaMode::kBest;
  CodecChoice codec;
  std::uint64_t created_ns = 0;                      // since 1970, UTC
  std::uint32_t frame_data_bytes = kFrameDataBytes;  // raised to a chunk, cut to kMaxFrameDataBytes
};

struct CreateDeltaReport {
  DeltaHeader header;
  DeltaTotals totals;
};

// `from` may be null for a full list, and in raw mode, where hashes that the list does not know
// then stay unknown. Requires: list.check() succeeds.
Result<CreateDeltaReport> create_delta(const Changelist& list, BlockDevice* from, BlockDevice& to,
                                       const CreateDeltaOptions& options, RandomSource& random,
                                       ByteSink& sink);

}  // namespace ddsnap
