// Makes a changelist by reading, with no server at all: two devices, or one and a digest of the
// other.
//
// Units     Chunks of 1 << chunk_shift bytes.
// Shape     Every chunk that differs, with its hash on the old device; between sizes, every chunk
//           from the smaller end on (D6). The uuids are what the devices prove, else nil. Two
//           devices are compared byte by byte, a device and a digest by XXH3-128.
// Errors    As the devices say; kUsage for a chunk size that does not fit them; kDamaged as
//           DigestReader says; kInterrupted.
// Threads   As many as the context says, while it runs.
#pragma once

#include "ddsnap/base/result.h"
#include "ddsnap/base/work_context.h"
#include "ddsnap/delta/byte_stream.h"
#include "ddsnap/delta/changelist.h"
#include "ddsnap/io/block_device.h"

namespace ddsnap {

Result<Changelist> compare_devices(BlockDevice& old_device, BlockDevice& new_device,
                                   unsigned chunk_shift, WorkContext& context);
// With no limits and nobody looking on.
Result<Changelist> compare_devices(BlockDevice& old_device, BlockDevice& new_device,
                                   unsigned chunk_shift);

// The chunk size is that of the digest.
Result<Changelist> compare_with_digest(ByteSource& digest, BlockDevice& new_device,
                                       WorkContext& context);

}  // namespace ddsnap
