// Which parts of a regular file are holes, by SEEK_DATA and SEEK_HOLE.
//
// Units     Bytes. A hole counts only as far as it covers whole blocks.
// Errors    As lseek() says. A file system that knows no holes calls everything data.
// Threads   Safe: the file position is moved, but nobody else here uses it.
#pragma once

#include <cstdint>
#include <vector>

#include "ddsnap/io/io_engine.h"

namespace ddsnap {

// Requires: the range lies inside the file.
Result<std::vector<Extent>> file_extents(const IoFile& file, ByteRange range,
                                         std::uint32_t block_bytes);

}  // namespace ddsnap
