// The content of chunks at any place in a chain of deltas, and the decoded content of its frames.
//
// Units     Chunks. Layers count the deltas, oldest first.
// Shape     What a difference refers to is looked for in the deltas before it, from the nearest on,
//           and at last in the base, a device that holds what the first one starts from. Frames are
//           kept decoded while there is room for them (kMergeCacheBytes).
// Errors    kUsage where old content is needed and there is no base; kFailed, naming the chunk,
//           where the base or an older delta has another content than a difference calls for;
//           kDamaged as FrameDecoder says.
// Threads   None inside.
// Lifetime  Borrows deltas and base.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "ddsnap/base/result.h"
#include "ddsnap/delta/chunk_io.h"
#include "ddsnap/delta/stored_delta.h"
#include "ddsnap/io/block_device.h"

namespace ddsnap {

class LayeredContent {
 public:
  using SharedBytes = std::shared_ptr<const std::vector<std::byte>>;

  // `base` may be null. Requires: it has the size and blocks for the first delta's older volume.
  LayeredContent(std::span<StoredDelta> deltas, BlockDevice* base);

  // Of a frame of this layer: its data chunks, one after the other.
  Result<SharedBytes> content_of(std::size_t layer, const DeltaFrame& frame);

 private:
  struct Key {
    std::size_t layer;
    std::size_t frame_nr;
    friend auto operator<=>(const Key&, const Key&) = default;
  };
  struct Kept {
    std::shared_ptr<const DeltaFrame> frame;  // null until somebody looked a chunk up in it
    SharedBytes content;                      // null until somebody needed it
    std::list<Key>::iterator in_use_order;
    std::size_t size_bytes = 0;
  };

  // A chunk as it was before the delta of this layer.
  Status chunk_before(std::size_t layer, ChunkNr chunk, std::span<std::byte> into);
  // The old content of the frame's own chunks, proven by their hashes (D3).
  Result<std::vector<std::byte>> prefix_of(std::size_t layer, const DeltaFrame& frame);
  Result<std::shared_ptr<const DeltaFrame>> frame_at(const Key& key);
  Kept& keep(const Key& key);
  void add_size(Kept& kept, std::size_t bytes);

  std::span<StoredDelta> deltas_;
  std::optional<ChunkIo> base_;
  FrameDecoder decoder_;
  std::map<Key, Kept> kept_;
  std::list<Key> use_order_;  // the latest first
  std::size_t kept_bytes_ = 0;
};

// The data chunks of the frame before this entry, in bytes of its content. Requires: it is one of
// the frame's entries.
std::size_t content_offset(const DeltaHeader& header, const DeltaFrame& frame,
                           const FrameEntry& entry);

}  // namespace ddsnap
