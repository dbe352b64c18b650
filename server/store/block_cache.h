// Verified metadata blocks kept in memory, least recently used first out.
//
// Shape     Keyed by (object, index): objects are never rewritten, so nothing ever needs to be
// invalidated. Errors    kDamaged and kIo from reading. Threads   None inside. Lifetime  Borrows
// the device. A returned payload lives until the next call.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <span>
#include <vector>

#include "ddsnap/base/aligned_buffer.h"
#include "ddsnap/base/uuid.h"
#include "ddsnap/io/block_device.h"
#include "server/store/layout.h"
#include "server/store/metadata_block.h"

namespace ddsnap {

class BlockCache {
 public:
  BlockCache(BlockDevice& metadata, const Layout& layout, const Uuid& store,
             std::size_t capacity_bytes);

  Result<std::span<const std::byte>> get(ObjectId object, std::uint32_t index,
                                         std::uint32_t location);

 private:
  struct Entry {
    std::pair<std::uint64_t, std::uint32_t> key;
    std::vector<std::byte> payload;
  };

  BlockDevice& device_;
  Layout layout_;
  Uuid store_;
  std::size_t capacity_blocks_;
  AlignedBuffer buffer_;
  std::list<Entry> entries_;  // most recent first
  std::map<std::pair<std::uint64_t, std::uint32_t>, std::list<Entry>::iterator> index_;
};

}  // namespace ddsnap
