// The device that holds what a delta, or the first of several, starts from, where it is given
// beside the delta.
//
// Errors    kUsage when it cannot be that: its size, its blocks, or the snapshot that it proves to
// be. Threads   Plain functions.
#pragma once

#include "ddsnap/base/result.h"
#include "ddsnap/delta/delta_header.h"
#include "ddsnap/io/block_device.h"

namespace ddsnap {

Status check_base(const BlockDevice& base, const DeltaHeader& header);

}  // namespace ddsnap
