// A run: exceptions sorted by chunk, immutable on disk, found through a small index in memory.
//
// Units     16-byte entries, kRunEntriesPerBlock to a metadata block.
// Shape     A run is a stretch of entries within an object of consecutive blocks; a spill writes
// many small runs into one object, and a
//           merge trims a run from the front by moving first_entry. Layout in SNAPSTORE.md,
//           section 5.
// Errors    kDamaged when a block is not the one that was written, or its entries are out of order.
// Threads   None inside.
// Lifetime  RunCursor borrows device and run.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "ddsnap/base/aligned_buffer.h"
#include "ddsnap/io/block_device.h"
#include "server/store/blob.h"
#include "server/store/block_cache.h"
#include "server/store/exception.h"

namespace ddsnap {

inline constexpr std::uint32_t kRunEntryBytes = 16;
inline constexpr std::uint32_t kRunEntriesPerBlock = kMetadataPayloadBytes / kRunEntryBytes;

struct Run {
  std::uint64_t owner = 0;
  std::uint32_t object_first_block = 0;
  std::uint32_t first_entry = 0;  // within the object
  std::uint32_t entry_count = 0;
  ChunkNr first_chunk;
  ChunkNr last_chunk;
  // The first chunk of this run in each block from the one that holds first_entry on; shared by
  // copies of the run's description.
  std::shared_ptr<const std::vector<std::uint32_t>> block_index;

  std::uint32_t first_block_index() const { return first_entry / kRunEntriesPerBlock; }
  std::uint32_t last_block_index() const {
    return (first_entry + entry_count - 1) / kRunEntriesPerBlock;
  }
  bool may_hold(ChunkNr chunk) const { return first_chunk <= chunk && chunk <= last_chunk; }
};

Result<std::optional<Exception>> find_in_run(const Run& run, ChunkNr chunk, BlockCache& cache);

// Reads a run from its first entry on, some blocks at a time, verifying each and the order of the
// entries.
class RunCursor {
 public:
  RunCursor(const Run& run, BlockDevice& metadata, const Layout& layout, const Uuid& store);
  // The entry under the cursor; none at the end.
  Result<std::optional<ChunkException>> peek();
  void advance() { ++position_; }
  std::uint32_t entries_passed() const { return position_; }

 private:
  Status load();

  const Run& run_;
  BlockDevice& device_;
  const Layout& layout_;
  Uuid store_;
  std::uint32_t position_ = 0;     // entries of the run passed
  std::uint32_t loaded_from_ = 0;  // entries of the run in buffer_: [loaded_from_, loaded_until_)
  std::uint32_t loaded_until_ = 0;
  std::vector<ChunkException> entries_;
  std::optional<ChunkNr> last_chunk_;
};

// Runs that wait for being written: sealed blocks, and what describes them.
struct PlannedRuns {
  std::vector<Run> runs;  // one for each section that went in, or more where the space is in pieces
  std::vector<std::size_t> section_of_run;
  std::vector<PlannedBlocks> blocks;
};
// One sorted, non-empty list of exceptions for one table.
using RunSection = std::vector<ChunkException>;
// Lays the sections out one behind the other. kNoSpace with nothing taken. `next_owner` is counted
// up, one an object.
Result<PlannedRuns> plan_runs(std::span<const RunSection> sections, const Uuid& store,
                              std::uint64_t& next_owner, SpaceMap& space);

// Fills block_index by reading the run, and shows every entry to `see`. What recovery does.
Status index_run(Run& run, BlockDevice& metadata, const Layout& layout, const Uuid& store,
                 const std::function<Status(const ChunkException&)>& see);

// The run without its first `entries` entries. Requires: fewer than it has; `new_first` is the
// chunk of the next.
Run trimmed_run(const Run& run, std::uint32_t entries, ChunkNr new_first);

}  // namespace ddsnap
