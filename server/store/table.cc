#include "server/store/table.h"

#include <fmt/format.h>

#include <algorithm>

namespace ddsnap {

std::uint64_t RunGroup::entry_count() const {
  std::uint64_t count = 0;
  for (const Run& run : runs) count += run.entry_count;
  return count;
}

void Table::note_key(const ChunkException& entry) {
  if (!keys.add(entry.chunk.value)) return;
  if (!entry.exception.has_slot()) slotless.add(entry.chunk.value);
  if (entry.exception.is_lost()) lost.add(entry.chunk.value);
}

void Table::insert(const ChunkException& entry) {
  recent.emplace(entry.chunk.value, entry.exception);
  note_key(entry);
}

void Table::forget_recent(ChunkNr chunk) {
  DD_CHECK(recent.erase(chunk.value) == 1);
  keys.remove(chunk.value);
  slotless.remove(chunk.value);
  lost.remove(chunk.value);
}

void Table::lose(const Roaring& chunks) {
  if (chunks.isEmpty()) return;
  keys |= chunks;
  slotless |= chunks;
  lost |= chunks;
  missing |= chunks;
  std::erase_if(recent, [&](const auto& entry) { return chunks.contains(entry.first); });
}

// Its buckets go too: assigning {} would keep eight bytes for each entry that there ever was.
void Table::spilled() {
  recent = decltype(recent)();
}

void Table::rest() {
  keys.rest();
  slotless.rest();
}

std::vector<ChunkException> Table::sorted_recent() const {
  std::vector<ChunkException> sorted;
  sorted.reserve(recent.size());
  for (const auto& [chunk, exception] : recent) sorted.push_back({{chunk}, exception});
  std::sort(sorted.begin(), sorted.end(),
            [](const auto& a, const auto& b) { return a.chunk < b.chunk; });
  return sorted;
}

Result<std::optional<Exception>> find_in_groups(const std::vector<RunGroup>& groups, ChunkNr chunk,
                                                BlockCache& cache) {
  for (const RunGroup& group : groups) {
    const auto run = std::lower_bound(group.runs.begin(), group.runs.end(), chunk,
                                      [](const Run& r, ChunkNr c) { return r.last_chunk < c; });
    if (run == group.runs.end()) continue;
    const auto found = DD_TRY(find_in_run(*run, chunk, cache));
    if (found) return found;
  }
  return std::nullopt;
}

Result<Exception> find_in_table(const Table& table, ChunkNr chunk, BlockCache& cache) {
  if (table.missing.contains(chunk.value))
    return fail(ErrorCode::kDamaged, fmt::format("chunk {} was given up by a repair", chunk.value));
  if (const auto found = table.recent.find(chunk.value); found != table.recent.end())
    return found->second;
  const auto found = DD_TRY(find_in_groups(table.groups, chunk, cache));
  if (!found)
    return fail(ErrorCode::kDamaged,
                fmt::format("chunk {} is missing from the table that holds it", chunk.value));
  return *found;
}

}  // namespace ddsnap
