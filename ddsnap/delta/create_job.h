// One stretch of a changelist on its way from the devices to the delta: what is to be done with it,
// its bytes, and the frames that come of it.
//
// Units     Chunks of the list; bytes of memory.
// Threads   A plain value: the pipeline hands it from thread to thread.
// Lifetime  The frames' payloads lie in the job's own buffers.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "ddsnap/base/aligned_buffer.h"
#include "ddsnap/delta/delta_frame.h"

namespace ddsnap {

// A chunk; or several adjacent ones, all in a hole, of which nothing older is known.
struct CreateItem {
  ChunkNr first;
  std::uint32_t count = 1;
  std::optional<ChunkHash> before;  // as the list has it, where it means what the delta means
  std::optional<ChunkHash> after;   // the same (of a list that is walked in reverse)
  bool is_hole = false;             // reads as zeros, and was not read
  bool has_old = false;             // its old content was read
};

struct MadeFrame {
  DeltaFrame frame;
  std::span<const std::byte> payload;
};

struct CreateJob {
  std::vector<CreateItem> items;
  std::vector<ChunkNr> new_chunks;       // to be read into new_bytes
  std::vector<ChunkNr> old_chunks;       // and into old_bytes
  AlignedBuffer new_bytes;               // chunk after chunk of the items that are no holes
  AlignedBuffer old_bytes;               // of those that have old content
  std::unique_ptr<std::byte[]> payload;  // as large as new_bytes
  std::vector<MadeFrame> frames;

  std::size_t weight_bytes() const { return 2 * new_bytes.size() + old_bytes.size(); }
};

}  // namespace ddsnap
