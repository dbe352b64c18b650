// Compares what a target holds now with what a delta starts from and ends in (D2).
//
// Units     Chunks of the newer volume.
// Shape     The target is read once, in order, adjacent chunks together; a visitor gets one verdict
//           a chunk.
// Errors    As the device says, or as the visitor returns.
// Threads   None inside.
// Lifetime  Borrows target and header.
#pragma once

#include <functional>
#include <vector>

#include "ddsnap/base/result.h"
#include "ddsnap/delta/chunk_io.h"
#include "ddsnap/delta/delta_frame.h"

namespace ddsnap {

struct PresentChunk {
  ChunkNr chunk;
  bool is_before = false;    // holds what the delta starts from, as far as that is known
  bool is_after = false;     // holds what the delta ends in
  bool is_unproven = false;  // the delta does not know what it starts from here
};

class PresentReader {
 public:
  PresentReader(BlockDevice& target, const DeltaHeader& header);

  using Visitor = std::function<Status(const PresentChunk&)>;
  Status visit(const DeltaFrame& frame, const Visitor& visitor);

 private:
  struct Asked {
    ChunkNr chunk;
    const FrameEntry* entry;
  };
  Status visit_pending(const Visitor& visitor);
  PresentChunk judge(const Asked& asked, std::span<std::byte> content) const;
  bool is_before(const Asked& asked, ChunkHash present, std::span<std::byte> content) const;

  const DeltaHeader& header_;
  ChunkIo io_;
  std::vector<Asked> pending_;
  std::vector<std::byte> buffer_;
};

// The old content of the frame's own chunks, from the target: what its difference refers to (D3).
// Empty for other encodings.
Result<std::vector<std::byte>> gather_prefix(const DeltaHeader& header, ChunkIo& target,
                                             const DeltaFrame& frame);

}  // namespace ddsnap
