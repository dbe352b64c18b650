// A table: the exceptions of one snapshot, in memory where they are recent, in groups of runs where
// they were spilled.
//
// Shape     `recent` first, then `groups` in order: the first that has a chunk wins. A group is
// runs that are disjoint and ascending.
//           An entry that another shadows is dead; its slot is freed by exactly one Reclaim
//           (reclaim.h), and merging drops it.
// Errors    find: kDamaged and kIo from reading runs.
// Threads   None inside.
// Source    DESIGN.md section 3.
#pragma once

#include <cstdint>
#include <roaring/roaring.hh>
#include <unordered_map>
#include <vector>

#include "server/store/chunk_set.h"
#include "server/store/run.h"

namespace ddsnap {

struct RunGroup {
  std::uint64_t id = 0;  // in memory only: how a merge that goes in pieces finds its groups again
  std::vector<Run> runs;

  std::uint64_t entry_count() const;
};

struct Table {
  ChunkSet keys;      // every chunk that has an exception here
  ChunkSet slotless;  // those among them that take no slot: zero, or lost
  Roaring lost;       // those among them whose content could not be saved, or was damaged later
  Roaring missing;    // those among the lost whose entry is damaged or no longer counts
  std::unordered_map<std::uint32_t, Exception> recent;
  std::vector<RunGroup> groups;

  bool has(ChunkNr chunk) const { return keys.contains(chunk.value); }
  bool is_empty() const { return keys.is_empty(); }
  // To the sets alone: the entry itself is in a run.
  void note_key(const ChunkException& entry);
  // Requires: the table does not have the chunk.
  void insert(const ChunkException& entry);
  // Takes back an insert that is still recent (recovery's judgement of the last record).
  void forget_recent(ChunkNr chunk);
  // From now on these are here and missing, whatever the table had for them.
  void lose(const Roaring& chunks);
  // All that was recent is in runs.
  void spilled();
  // Nothing is going to come for now: its sets take as little memory as they can.
  void rest();
  // How many slots its exceptions hold.
  std::uint64_t slot_count() const { return keys.cardinality() - slotless.cardinality(); }
  std::vector<ChunkException> sorted_recent() const;
};

Result<std::optional<Exception>> find_in_groups(const std::vector<RunGroup>& groups, ChunkNr chunk,
                                                BlockCache& cache);
// Requires: the table has the chunk. kDamaged when its runs do not, or when it is missing.
Result<Exception> find_in_table(const Table& table, ChunkNr chunk, BlockCache& cache);

}  // namespace ddsnap
