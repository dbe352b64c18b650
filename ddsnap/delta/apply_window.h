// Frames that are decoded and wait to be written together.
//
// Shape     Gathers frames up to a number of bytes, makes the journal's record of them, writes
// them. Errors    As the target says. Threads   None inside.
#pragma once

#include <cstdint>
#include <vector>

#include "ddsnap/base/result.h"
#include "ddsnap/delta/apply_state.h"
#include "ddsnap/delta/chunk_io.h"
#include "ddsnap/delta/delta_frame.h"

namespace ddsnap {

struct DecodedFrame {
  DeltaFrame frame;
  std::vector<std::byte> content;
};

struct WrittenChunks {
  std::uint64_t data = 0;
  std::uint64_t zero = 0;
};

// Writes one frame's data and zeros; unchanged chunks are left alone.
Status write_frame(ChunkIo& target, const DeltaFrame& frame, std::span<const std::byte> content,
                   WrittenChunks& written);

// The journal's record of the frames: which chunks, and the content of differences (D3).
// Requires: frames are adjacent and not none.
ApplyWindow make_window(const Uuid& delta_uuid, std::vector<DecodedFrame>& frames, bool is_forced);

}  // namespace ddsnap
