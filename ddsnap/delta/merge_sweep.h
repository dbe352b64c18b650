// Walks over the chunks that any of several deltas name, in order, and tells which ones do.
//
// Units     Chunks.
// Shape     A segment is a run of chunks that the same deltas name in the same entries: one chunk,
//           or several where all that name them call them zero. Holds one frame of each delta.
// Errors    Those of the feed.
// Threads   None inside.
// Lifetime  A segment is good until the next call.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "ddsnap/base/result.h"
#include "ddsnap/delta/delta_frame.h"

namespace ddsnap {

// What one delta says of the chunks of a segment. Layers count the deltas, oldest first.
struct LayerEntry {
  std::size_t layer = 0;
  const DeltaFrame* frame = nullptr;
  const FrameEntry* entry = nullptr;
};

struct MergeSegment {
  ChunkRange chunks;
  std::span<const LayerEntry> entries;  // not none; layers ascend
};

class MergeSweep {
 public:
  // The next frame of a layer; nothing after its last.
  using Feed = std::function<Result<std::optional<DeltaFrame>>(std::size_t layer)>;
  // No segment goes across one of the borders.
  MergeSweep(std::size_t layer_count, Feed feed, std::vector<std::uint64_t> borders)
      : cursors_(layer_count), feed_(std::move(feed)), borders_(std::move(borders)) {}

  Result<std::optional<MergeSegment>> next();
  // A frame that comes next as a whole: nothing of it was in a segment yet, and no other delta
  // names a chunk before its end.
  Result<std::optional<LayerEntry>> whole_frame();
  // Requires: whole_frame() just gave a frame of this layer.
  DeltaFrame take_whole_frame(std::size_t layer);

 private:
  struct Cursor {
    std::optional<DeltaFrame> frame;
    std::size_t entry_index = 0;
    std::uint32_t in_entry = 0;
    bool is_at_end = false;

    const FrameEntry& entry() const { return frame->entries[entry_index]; }
    std::uint64_t first() const { return std::uint64_t{entry().first.value} + in_entry; }
  };

  // Drops what the last segment was about, and loads frames where one is used up.
  Status settle();
  Status advance(Cursor& cursor, std::size_t layer);
  // The lowest chunk that any delta names next; nothing at the end of all.
  std::optional<std::uint64_t> lowest() const;

  std::vector<Cursor> cursors_;
  Feed feed_;
  std::vector<std::uint64_t> borders_;
  std::vector<LayerEntry> entries_;  // of the last segment
  std::uint32_t segment_count_ = 0;
};

}  // namespace ddsnap
