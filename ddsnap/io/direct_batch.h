// Makes any batch fit for O_DIRECT: unaligned memory goes through a bounce buffer, and the last,
// partial block of a regular file, which O_DIRECT cannot write, goes through the page cache.
//
// Shape     Build it from the caller's batch, run body() on the direct descriptor and tail() on the
//           buffered one, then finish() puts data and statuses back. is_needed() says whether a
//           batch needs any of it: a server's own, aligned batches do not.
// Errors    In the requests. A request that was split fails with the first error of its parts.
// Threads   A plain object.
// Lifetime  Borrows the batch until finish().
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ddsnap/base/aligned_buffer.h"
#include "ddsnap/io/block_device.h"

namespace ddsnap {

class DirectBatch {
 public:
  struct Limits {
    std::uint64_t whole_blocks_end_bytes = 0;  // where the partial block begins, if there is one
    std::uint32_t memory_alignment_bytes = 1;
  };

  static bool is_needed(std::span<const IoRequest> batch, const Limits& limits);

  DirectBatch(std::span<IoRequest> batch, const Limits& limits);

  std::span<IoRequest> body() { return body_; }
  std::span<IoRequest> tail() { return tail_; }
  // Returns the first failure, as BlockDevice::run() does.
  Status finish();

 private:
  struct Bounce {
    std::size_t part = 0;  // index in body_
    std::byte* data = nullptr;
    AlignedBuffer buffer;
  };

  void add_body(std::size_t index, IoRequest part);

  std::span<IoRequest> batch_;
  const Limits limits_;
  std::vector<IoRequest> body_, tail_;
  std::vector<std::size_t> body_of_, tail_of_;  // the request in batch_ that each part belongs to
  std::vector<Bounce> bounces_;
};

}  // namespace ddsnap
