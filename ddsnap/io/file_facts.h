// What the kernel says of an open file or block device: size, blocks, what direct I/O wants.
//
// Errors    kUsage for what is neither a regular file nor a block device, and where direct I/O is
//           wanted but not to be had; else as the system says.
// Threads   A plain function.
#pragma once

#include <cstdint>
#include <string>

#include "ddsnap/base/result.h"
#include "ddsnap/io/block_device.h"

namespace ddsnap {

struct FileFacts {
  DeviceGeometry geometry;
  bool is_block_device = false;
  bool is_sparse = false;                    // a file that has less space than its size
  std::uint32_t memory_alignment_bytes = 1;  // of request buffers; above 1 with direct I/O only
};

Result<FileFacts> inspect_file(int fd, const std::string& name, bool is_direct);

}  // namespace ddsnap
