#include "server/store/salvage.h"

#include <algorithm>

namespace ddsnap {

namespace {

// The part of the run that lies in block `index` of its object.
Run part_in_block(const Run& run, std::uint32_t index) {
  const std::uint64_t block_start = std::uint64_t{index} * kRunEntriesPerBlock;
  const std::uint64_t run_end = std::uint64_t{run.first_entry} + run.entry_count;
  const std::uint64_t first = std::max<std::uint64_t>(run.first_entry, block_start);
  const std::uint64_t end = std::min<std::uint64_t>(run_end, block_start + kRunEntriesPerBlock);
  Run part = run;
  part.first_entry = static_cast<std::uint32_t>(first);
  part.entry_count = static_cast<std::uint32_t>(end - first);
  return part;
}

// All entries of the part, whose first and last chunk are filled in.
Result<std::vector<ChunkException>> read_part(Run& part, BlockDevice& metadata,
                                              const Layout& layout, const Uuid& store) {
  std::vector<ChunkException> entries;
  RunCursor cursor(part, metadata, layout, store);
  while (const auto entry = DD_TRY(cursor.peek())) {
    entries.push_back(*entry);
    cursor.advance();
  }
  part.first_chunk = entries.front().chunk;
  part.last_chunk = entries.back().chunk;
  return entries;
}

Status check_order(const Run& part, const Run& run, std::uint64_t least_chunk, bool is_first,
                   bool is_last) {
  const bool is_in_order = part.first_chunk.value >= least_chunk &&
                           part.last_chunk <= run.last_chunk &&
                           (!is_first || part.first_chunk == run.first_chunk) &&
                           (!is_last || part.last_chunk == run.last_chunk);
  if (is_in_order) return {};
  return fail(ErrorCode::kDamaged, "a run's entries are not those that its table names");
}

void append_piece(const Run& part, bool goes_on, std::vector<Run>& pieces) {
  if (!goes_on) {
    pieces.push_back(part);
    pieces.back().block_index =
        std::make_shared<std::vector<std::uint32_t>>(1, part.first_chunk.value);
    return;
  }
  Run& piece = pieces.back();
  piece.entry_count += part.entry_count;
  piece.last_chunk = part.last_chunk;
  auto index = std::make_shared<std::vector<std::uint32_t>>(*piece.block_index);
  index->push_back(part.first_chunk.value);
  piece.block_index = std::move(index);
}

}  // namespace

SalvagedRun salvage_run(const Run& run, BlockDevice& metadata, const Layout& layout,
                        const Uuid& store, const std::function<void(const ChunkException&)>& see) {
  SalvagedRun result;
  const std::uint64_t end_chunk = std::uint64_t{run.last_chunk.value} + 1;
  if (const Status placed = check_run_place(run, layout); !placed) {
    result.holes.push_back({.first_block = run.object_first_block,
                            .entry_count = run.entry_count,
                            .first_chunk = run.first_chunk.value,
                            .end_chunk = end_chunk,
                            .error = placed.error()});
    return result;
  }
  std::uint64_t least_chunk = run.first_chunk.value;
  bool was_good = false;
  for (std::uint32_t i = run.first_block_index(); i <= run.last_block_index(); ++i) {
    Run part = part_in_block(run, i);
    const auto entries = read_part(part, metadata, layout, store);
    Status read = entries ? Status{} : std::unexpected(entries.error());
    if (read)
      read = check_order(part, run, least_chunk, i == run.first_block_index(),
                         i == run.last_block_index());
    if (read) {
      const bool ends_hole = !was_good && !result.holes.empty();
      if (ends_hole) result.holes.back().end_chunk = part.first_chunk.value;
      append_piece(part, was_good, result.pieces);
      least_chunk = std::uint64_t{part.last_chunk.value} + 1;
      for (const ChunkException& entry : *entries) see(entry);
    } else {
      if (was_good || result.holes.empty())
        result.holes.push_back({.first_block = run.object_first_block + i,
                                .first_chunk = least_chunk,
                                .error = read.error()});
      SalvagedRun::Hole& hole = result.holes.back();
      ++hole.block_count;
      hole.entry_count += part.entry_count;
      hole.end_chunk = end_chunk;
    }
    was_good = read.has_value();
  }
  return result;
}

Status check_run_place(const Run& run, const Layout& layout) {
  const std::uint64_t end_block =
      std::uint64_t{run.object_first_block} +
      (std::uint64_t{run.first_entry} + run.entry_count - 1) / kRunEntriesPerBlock;
  if (end_block < layout.table_blocks && run.first_chunk <= run.last_chunk) return {};
  return fail(ErrorCode::kDamaged, "a run is said to lie outside the table region");
}

}  // namespace ddsnap
