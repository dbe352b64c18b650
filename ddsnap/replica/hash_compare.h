// A range of a volume compared with its copy on another machine, by hash: the audit.
//
// Units     Chunks.
// Shape     The one asks, the other answers with the hashes of window after window; each side reads
//           its range once, and nothing is written.
// Errors    As the session and the devices say.
// Threads   None inside.
// Lifetime  Borrows everything for the call.
#pragma once

#include <vector>

#include "ddsnap/base/result.h"
#include "ddsnap/base/units.h"
#include "ddsnap/base/work_context.h"
#include "ddsnap/io/block_device.h"
#include "ddsnap/replica/message_stream.h"

namespace ddsnap {

struct HashDifferences {
  std::uint64_t there_bytes = 0;   // the size of the volume there
  std::vector<ChunkRange> ranges;  // ascending, no two touch; between sizes, all of the rest
};

// Asks, and compares what `ours` holds. Requires: check_holds_volume(ours, geometry) succeeds.
Result<HashDifferences> compare_by_hash(MessageStream& stream, const AuditSession& question,
                                        BlockDevice& ours, ChunkGeometry geometry,
                                        WorkContext& context);

// The other side of it: as far as the range lies in the volume.
Status answer_by_hash(MessageStream& stream, const AuditSession& question, BlockDevice& ours,
                      WorkContext& context);

// The PART-th of PARTS parts that are equal but for a chunk. Requires: part < parts.
struct ChunkSlice {
  std::uint64_t first = 0;
  std::uint64_t count = 0;
};
ChunkSlice slice_of(std::uint64_t chunks, std::uint64_t part, std::uint64_t parts);

// Adds chunks behind the others, joining them to the last range where they touch.
void append_range(std::vector<ChunkRange>& ranges, ChunkRange chunks);

// The same in bytes, the last one cut at the volume's end.
std::vector<ByteRange> bytes_of_ranges(const std::vector<ChunkRange>& ranges, unsigned chunk_shift,
                                       std::uint64_t volume_bytes);

}  // namespace ddsnap
