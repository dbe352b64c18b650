// Copies chunks from one device to another of the same size: how a snapshot is put back.
//
// Shape     Reading runs ahead of writing. Zeros are written as such.
// Errors    As the devices say; kInterrupted. Whatever it was, doing all of it again is right.
// Durable   All of it when the call returns success.
// Threads   Those of the context, inside the call.
// Lifetime  Borrows everything for the call.
#pragma once

#include "ddsnap/base/work_context.h"
#include "ddsnap/delta/changelist.h"
#include "ddsnap/io/block_device.h"

namespace ddsnap {

// The chunks of the list. Requires: both devices hold list.to_geometry().
Status copy_chunks(const Changelist& list, BlockDevice& source, BlockDevice& target,
                   WorkContext& context);

}  // namespace ddsnap
