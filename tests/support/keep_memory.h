// For tests that recover many stores: each recovery takes and gives back a megabyte, and the kernel
// would take more time for those pages, new each time, than the test for itself.
//
// Threads   Call it before there are others.
#pragma once

#include <malloc.h>

namespace ddsnap::test {

inline void keep_freed_memory() {
  ::mallopt(M_MMAP_THRESHOLD, 256 << 20);
  ::mallopt(M_TRIM_THRESHOLD, 256 << 20);
}

}  // namespace ddsnap::test
