// Makes a delta from Ceph's stream of differences.
//
// Units     Chunks of 1 << chunk_shift bytes; the stream's records begin and end at any byte.
// Shape     Two passes over the stream. A stream from nothing at all becomes a full delta. Else
// what a
//           record leaves of a chunk comes from the base, and so do the hashes before; without one
//           such records are refused and the hashes are not known, so that applying wants --force.
// Errors    kUsage for a pipe, a base that does not fit, records that need one; kDamaged as
// RbdReader
//           says.
// Threads   As many as the context says, while it runs.
// Lifetime  Borrows everything for the call. The sink is finished.
#pragma once

#include <cstdint>
#include <optional>

#include "ddsnap/base/random.h"
#include "ddsnap/base/work_context.h"
#include "ddsnap/delta/byte_stream.h"
#include "ddsnap/delta/create_delta.h"
#include "ddsnap/delta/rbd_stream.h"
#include "ddsnap/io/block_device.h"

namespace ddsnap {

struct ImportOptions {
  CodecChoice codec;
  unsigned chunk_shift = kDefaultChunkShift;
  std::uint64_t created_ns = 0;  // since 1970, UTC
  // Of the older volume, where no base tells it; none: as large as the newer one.
  std::optional<std::uint64_t> from_bytes;
};

// `base` may be null; else it holds what the stream starts from.
Result<CreateDeltaReport> import_rbd(ByteSource& source, BlockDevice* base,
                                     const ImportOptions& options, RandomSource& random,
                                     WorkContext& context, ByteSink& sink);

}  // namespace ddsnap
