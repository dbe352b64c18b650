// Changelists as files: compact, checksummed, versioned.
//
// Shape     DELTA.md, section 2: a fixed header, the ranges as varints, and (droppable) the hashes.
// Errors    read: kDamaged for anything that is not exactly one well-formed changelist, kVersion
//           for a format of another program; memory is bounded by the bytes that are really there
//           (D4).
// Durable   write_changelist_file() returns when the file is durable under its name.
// Threads   Plain functions.
#pragma once

#include <string>

#include "ddsnap/base/result.h"
#include "ddsnap/delta/byte_stream.h"
#include "ddsnap/delta/changelist.h"

namespace ddsnap {

// Requires: list.check() succeeds.
Status write_changelist(ByteSink& sink, const Changelist& list);
Result<Changelist> read_changelist(ByteSource& source);

// "-" is standard output or input.
Status write_changelist_file(const std::string& path, const Changelist& list);
Result<Changelist> read_changelist_file(const std::string& path);

}  // namespace ddsnap
