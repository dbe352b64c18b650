// All metadata of a snapstore as JSON, for people and scripts: a text twin of SNAPSTORE.md.
//
// Shape     Goes by what a superblock copy names, verifying each block on the way. Where something
//           cannot be read its place holds an "error", and the sentence is repeated in "damage" at
//           the end; the rest is told all the same.
// Errors    kNotInitialized where no superblock has ever been; kIo only where it is all unreadable.
// Threads   None inside.
// Lifetime  Borrows the device, which is only read.
#pragma once

#include "ddsnap/cli/json_writer.h"
#include "ddsnap/io/block_device.h"

namespace ddsnap {

struct DumpOptions {
  bool is_full = false;  // single exceptions too
};

// False when some of it is damaged. `metadata` is the device that carries the metadata.
Result<bool> dump_store(BlockDevice& metadata, const DumpOptions& options, JsonWriter& out);

}  // namespace ddsnap
