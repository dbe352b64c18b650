// Frames that are decoded and are written together.
//
// Shape     Makes the journal's record of them; writes them, all in flight at once.
// Errors    As the target says.
// Threads   None inside.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ddsnap/base/aligned_buffer.h"
#include "ddsnap/base/result.h"
#include "ddsnap/delta/apply_state.h"
#include "ddsnap/delta/chunk_io.h"
#include "ddsnap/delta/delta_frame.h"

namespace ddsnap {

struct DecodedFrame {
  DeltaFrame frame;
  AlignedBuffer buffer;  // the content is its beginning
  bool is_decoded = false;
  bool is_after = false;  // known to be on the target already

  std::span<const std::byte> content() const { return buffer.span().first(frame.data_bytes); }
};

struct WrittenChunks {
  std::uint64_t data = 0;
  std::uint64_t zero = 0;
};

// Writes data and zeros; unchanged chunks are left alone.
Status write_frames(ChunkIo& target, std::span<const DecodedFrame> frames, WrittenChunks& written);

// The journal's record of the frames: which chunks, and the content of differences (D3).
// Requires: frames are adjacent and not none. The record borrows their content.
ApplyWindow make_window(const Uuid& delta_uuid, std::span<const DecodedFrame> frames);

}  // namespace ddsnap
