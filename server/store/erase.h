// The end of a store: its superblocks are taken away, all of them.
//
// Errors    As the devices say. Interrupted, it is done again.
// Durable   On return.
// Threads   Plain function.
#pragma once

#include "server/store/snap_store.h"

namespace ddsnap {

// No store is there afterwards, also where the beginning of one was overwritten and only the last
// copy of its superblock was left. What it saved still lies there, and nothing tells where.
// Requires: no server has the devices.
Status erase_store(const StoreDevices& devices);

}  // namespace ddsnap
