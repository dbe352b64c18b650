// Does with a store that has opened whatever a volume would: nothing that its metadata says may end
// the program, and what it has made durable opens again.
//
// Errors    None: the store's own are fine, and anything else ends the program (must()).
// Threads   Plain function.
#pragma once

#include "ddsnap/io/block_device.h"
#include "server/store/snap_store.h"

namespace ddsnap::fuzz {

// Opens the store on these devices and uses it up. False: it does not open.
bool open_and_use(BlockDevice& snapstore, BlockDevice& origin);

}  // namespace ddsnap::fuzz
