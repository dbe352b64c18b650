// Leaves the page cache as it was found: what a read brought in is let go again, what others had
// there stays.
//
// Units     Bytes; pages where the kernel thinks in them.
// Errors    None: what the kernel does not tell or do is left as it is. (It tells about files that
//           the caller owns or may write.)
// Threads   Safe from several threads.
// Lifetime  Borrows the descriptor.
// Source    cachestat(2), mincore(2), posix_fadvise(2).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "ddsnap/io/block_device.h"

namespace ddsnap {

class CacheFootprint {
 public:
  // Turns reading ahead off on this descriptor: nobody would let go of what comes with it. Null
  // where the file cannot be looked at.
  static std::unique_ptr<CacheFootprint> of(int fd, std::uint64_t size_bytes);
  ~CacheFootprint();
  CacheFootprint(const CacheFootprint&) = delete;
  CacheFootprint& operator=(const CacheFootprint&) = delete;

  // Whether all that these read is in the cache; no where the kernel cannot say that cheaply.
  bool has_all(std::span<const IoRequest> batch) const;
  // Which pages of these reads are not in the cache.
  std::vector<ByteRange> absent(std::span<const IoRequest> batch) const;
  void drop(std::span<const ByteRange> ranges) const;

 private:
  CacheFootprint(int fd, std::byte* map, std::uint64_t size_bytes)
      : fd_(fd), map_(map), size_bytes_(size_bytes) {}

  const int fd_;
  std::byte* const map_;  // of the whole file, never touched: addresses to ask about
  const std::uint64_t size_bytes_;
};

}  // namespace ddsnap
