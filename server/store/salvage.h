// What can still be read of a run when some of its blocks cannot.
//
// Shape     The pieces on either side of the bad blocks are runs of their own. What a bad block
//           held is known only by its neighbours: some of the chunks between the last one before it
//           and the first one behind it.
// Errors    None: what cannot be read is a hole.
// Threads   Plain functions.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "server/store/run.h"

namespace ddsnap {

struct SalvagedRun {
  // Neighbouring blocks that are all bad.
  struct Hole {
    std::uint32_t first_block = 0;
    std::uint32_t block_count = 0;
    std::uint32_t entry_count = 0;
    std::uint64_t first_chunk = 0;  // the entries were among [first_chunk, end_chunk)
    std::uint64_t end_chunk = 0;
    Error error;  // of the first of the blocks
  };
  std::vector<Run> pieces;
  std::vector<Hole> holes;
};

// Shows every entry of the pieces to `see`. A run that is said to lie outside the table region is
// one hole.
SalvagedRun salvage_run(const Run& run, BlockDevice& metadata, const Layout& layout,
                        const Uuid& store, const std::function<void(const ChunkException&)>& see);

// kDamaged when the run is said to lie outside the table region.
Status check_run_place(const Run& run, const Layout& layout);

}  // namespace ddsnap
