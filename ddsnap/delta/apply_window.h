// Frames that are decoded and are written together.
//
// Shape     Makes the journal's record of them; writes them, all in flight at once.
// Errors    As the target says.
// Threads   None inside.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "ddsnap/base/aligned_buffer.h"
#include "ddsnap/base/result.h"
#include "ddsnap/delta/apply_state.h"
#include "ddsnap/delta/changed_blocks.h"
#include "ddsnap/delta/chunk_io.h"
#include "ddsnap/delta/delta_frame.h"

namespace ddsnap {

struct DecodedFrame {
  DeltaFrame frame;
  AlignedBuffer buffer;  // the content is its beginning
  bool is_decoded = false;
  bool is_after = false;                              // known to be on the target already
  std::optional<std::vector<BlockRun>> changed = {};  // what is to be written; else all of it

  std::span<const std::byte> content() const { return buffer.span().first(frame.data_bytes); }
  std::vector<BlockRun> to_write() const { return changed ? *changed : all_blocks(frame); }
};

struct WrittenChunks {
  std::uint64_t data = 0;
  std::uint64_t zero = 0;

  void add(const WrittenChunks& more) {
    data += more.data;
    zero += more.zero;
  }
};

// Those whose content is in the frame's, in order.
std::vector<ChunkNr> data_chunks(const DeltaFrame& frame);

// Writes data and zeros; unchanged chunks, and of differences unchanged blocks, are left alone.
Status write_frames(ChunkIo& target, std::span<const DecodedFrame> frames, WrittenChunks& written);

// The journal's record of the frames: which chunks, and of differences what is to be written (D3).
// Requires: frames are adjacent and not none. The record borrows their content.
ApplyWindow make_window(const Uuid& delta_uuid, std::span<const DecodedFrame> frames);
// Two windows as one. Requires: the second follows on the first, in the same delta.
ApplyWindow join_windows(const ApplyWindow& first, const ApplyWindow& second);
// What a record of the window has to say about contents.
std::uint64_t saved_bytes(const ApplyWindow& window);

}  // namespace ddsnap
