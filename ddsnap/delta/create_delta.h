// Makes a delta from a changelist and the devices that it speaks of.
//
// Shape     One pass in chunk order; frames of whole chunks, each independent of all others.
//           Reading, hashing and compressing, and writing overlap; what comes out does not depend
//           on the number of threads.
// Errors    kUsage where list and devices cannot belong together (sizes, proven uuids, a list up to
//           "now": D5); kFailed, naming the chunks, where the old device does not hold what the
//           list says; kInterrupted. After an error the sink holds nothing of use.
// Threads   Makes its own and ends them. Without compression the devices are read by several; else
//           by one at a time.
// Lifetime  Borrows everything for the call.
#pragma once

#include <cstdint>

#include "ddsnap/base/limits.h"
#include "ddsnap/base/random.h"
#include "ddsnap/base/result.h"
#include "ddsnap/base/work_context.h"
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
  std::uint32_t frame_data_bytes = kFrameDataBytes;  // at least a chunk; see kMaxLongFrameDataBytes
  bool is_trimmed = false;                           // chunks that are as before are left out
  bool is_reverse = false;  // the delta goes from the list's newer side back to its older
};

struct CreateDeltaReport {
  DeltaHeader header;
  DeltaTotals totals;
  std::uint64_t stream_bytes = 0;
  std::uint64_t frames_by_encoding[6] = {};  // by the value of Encoding
  std::uint64_t unknown_chunks = 0;          // whose hash before is not known
};

// `from` and `to` are the older and newer side of the list, in reverse too. `from` may be null for
// a full list, and in raw mode, where hashes that the list does not know then stay unknown.
// Requires: list.check() succeeds.
Result<CreateDeltaReport> create_delta(const Changelist& list, BlockDevice* from, BlockDevice* to,
                                       const CreateDeltaOptions& options, RandomSource& random,
                                       ByteSink& sink, WorkContext& context);
// In no hurry and with nobody looking on.
inline Result<CreateDeltaReport> create_delta(const Changelist& list, BlockDevice* from,
                                              BlockDevice& to, const CreateDeltaOptions& options,
                                              RandomSource& random, ByteSink& sink) {
  WorkContext context;
  return create_delta(list, from, &to, options, random, sink, context);
}

}  // namespace ddsnap
