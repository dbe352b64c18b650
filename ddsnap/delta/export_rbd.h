// Turns a delta into Ceph's stream of differences.
//
// Shape     One pass, so it goes through pipes. Chunks that are as before are left out.
// Errors    kUsage where the stream must name a snapshot and there is no name, and where a
// difference
//           refers to content that is not there without a base; kFailed where the base has another
//           content; kDamaged as DeltaReader says.
// Threads   None inside.
// Lifetime  Borrows everything for the call. The sink is finished.
#pragma once

#include <string>

#include "ddsnap/base/work_context.h"
#include "ddsnap/delta/byte_stream.h"
#include "ddsnap/delta/delta_header.h"
#include "ddsnap/delta/rbd_stream.h"
#include "ddsnap/io/block_device.h"

namespace ddsnap {

struct ExportOptions {
  RbdVersion version = RbdVersion::kV1;
  // What the snapshots are called there; empty: by their tags, else their uuids.
  std::string from_name;
  std::string to_name;
};

// `base` may be null; else it holds what the delta starts from.
Result<DeltaHeader> export_rbd(ByteSource& source, BlockDevice* base, const ExportOptions& options,
                               WorkContext& context, ByteSink& sink);

}  // namespace ddsnap
