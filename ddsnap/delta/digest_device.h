// Writes the digest of a device: XXH3-128 of each of its chunks.
//
// Shape     The same content gives the same blocks, however its zeros are stored.
// Errors    As the device or the sink says; kUsage for a chunk size that does not fit;
// kInterrupted. Threads   As many as the context says, while it runs. Lifetime  Borrows everything
// for the call. The sink is finished.
#pragma once

#include "ddsnap/base/work_context.h"
#include "ddsnap/delta/byte_stream.h"
#include "ddsnap/delta/digest_file.h"
#include "ddsnap/io/block_device.h"

namespace ddsnap {

Result<DigestHeader> digest_device(BlockDevice& device, unsigned chunk_shift,
                                   std::uint64_t created_ns, WorkContext& context, ByteSink& sink);

}  // namespace ddsnap
