// Makes a changelist by reading two devices, with no server at all.
//
// Units     Chunks of 1 << chunk_shift bytes.
// Shape     Every chunk that differs, with its hash on the old device; between sizes, every chunk
//           from the smaller end on (D6). The uuids are what the devices prove, else nil.
// Errors    As the devices say; kUsage for a chunk size that does not fit them.
// Threads   None inside.
#pragma once

#include "ddsnap/base/result.h"
#include "ddsnap/delta/changelist.h"
#include "ddsnap/io/block_device.h"

namespace ddsnap {

Result<Changelist> compare_devices(BlockDevice& old_device, BlockDevice& new_device,
                                   unsigned chunk_shift);

}  // namespace ddsnap
