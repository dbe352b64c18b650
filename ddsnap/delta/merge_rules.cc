#include "ddsnap/delta/merge_rules.h"

#include <fmt/format.h>

#include <algorithm>

namespace ddsnap {

namespace {

Status check_adjacent(const DeltaHeader& older, const DeltaHeader& newer,
                      const std::string& older_name, const std::string& newer_name) {
  if (newer.chunk_shift != older.chunk_shift)
    return fail(ErrorCode::kUsage, fmt::format("{} has chunks of {} bytes, {} of {}", older_name,
                                               older.to_geometry().chunk_bytes(), newer_name,
                                               newer.to_geometry().chunk_bytes()));
  const bool are_named = !older.to_uuid.is_nil() && !newer.from_uuid.is_nil();
  if (are_named && older.to_uuid != newer.from_uuid)
    return fail(ErrorCode::kUsage,
                fmt::format("{} ends in snapshot '{}' {}, but {} starts from '{}' {}", older_name,
                            older.to_tag, older.to_uuid.to_string(), newer_name, newer.from_tag,
                            newer.from_uuid.to_string()));
  if (older.to_bytes != newer.from_bytes)
    return fail(ErrorCode::kUsage,
                fmt::format("{} ends in a volume of {} bytes, but {} starts from one of {}",
                            older_name, older.to_bytes, newer_name, newer.from_bytes));
  return {};
}

// The hash of the old content, where a delta between the ends means the same bytes by it.
std::optional<ChunkHash> known_before(const DeltaHeader& header, const DeltaHeader& merged,
                                      const FrameEntry& entry, ChunkNr chunk) {
  const ChunkGeometry geometry = merged.to_geometry();
  if (entry.before_kind != BeforeKind::kKnown ||
      bytes_below(geometry, chunk, header.common_bytes()) !=
          bytes_below(geometry, chunk, merged.common_bytes()))
    return std::nullopt;
  return entry.before;
}

}  // namespace

Result<DeltaHeader> chain_headers(std::span<const DeltaHeader> headers,
                                  std::span<const std::string> names) {
  DeltaHeader merged = headers.front();
  for (std::size_t i = 1; i < headers.size(); ++i) {
    DD_TRY(check_adjacent(headers[i - 1], headers[i], names[i - 1], names[i]));
    merged.frame_data_bytes = std::max(merged.frame_data_bytes, headers[i].frame_data_bytes);
  }
  const DeltaHeader& last = headers.back();
  merged.to_uuid = last.to_uuid;
  merged.to_tag = last.to_tag;
  merged.to_bytes = last.to_bytes;
  merged.to_is_proven = last.to_is_proven;
  return merged;
}

std::size_t bytes_below(const ChunkGeometry& geometry, ChunkNr chunk, std::uint64_t limit_bytes) {
  const std::uint64_t offset = geometry.offset_of(chunk);
  if (limit_bytes <= offset) return 0;
  return std::min<std::uint64_t>(limit_bytes - offset, geometry.chunk_bytes());
}

std::vector<std::uint64_t> merge_borders(const DeltaHeader& merged) {
  const ChunkGeometry common{merged.chunk_shift, merged.common_bytes()};
  return {common.chunk_count(), merged.to_geometry().chunk_count()};
}

Status check_follows(std::span<const DeltaHeader> headers, std::span<const std::string> names,
                     const MergeSegment& segment) {
  for (std::size_t i = 1; i < segment.entries.size(); ++i) {
    const LayerEntry& older = segment.entries[i - 1];
    const LayerEntry& newer = segment.entries[i];
    const ChunkGeometry geometry = headers[older.layer].to_geometry();
    // Where the newer one means a part of the chunk only, hashes cannot tell.
    if (newer.entry->before_kind != BeforeKind::kKnown ||
        bytes_below(geometry, segment.chunks.first, headers[newer.layer].common_bytes()) !=
            bytes_below(geometry, segment.chunks.first, headers[older.layer].to_bytes))
      continue;
    if (newer.entry->before != older.entry->after)
      return fail(
          ErrorCode::kFailed,
          fmt::format("{} does not follow on {}: it starts from another content of chunk {}",
                      names[newer.layer], names[older.layer], segment.chunks.first.value));
  }
  return {};
}

std::optional<MergedEntry> merge_entries(std::span<const DeltaHeader> headers,
                                         const DeltaHeader& merged, const MergeSegment& segment) {
  if (segment.chunks.first.value >= merged.to_geometry().chunk_count()) return std::nullopt;
  MergedEntry result;
  FrameEntry& entry = result.entry;
  entry.first = segment.chunks.first;
  entry.count = segment.chunks.count;
  entry.after = segment.entries.back().entry->after;

  const LayerEntry& first = segment.entries.front();
  const auto before = known_before(headers[first.layer], merged, *first.entry, entry.first);
  if (merged.is_new(entry.first)) {
    entry.before_kind = BeforeKind::kNew;
  } else if (before) {
    entry.before_kind = BeforeKind::kKnown;
    entry.before = *before;
  }

  const auto last_change =
      std::find_if(segment.entries.rbegin(), segment.entries.rend(),
                   [](const LayerEntry& one) { return one.entry->content != ContentKind::kSame; });
  entry.content = ContentKind::kSame;
  if (last_change != segment.entries.rend()) {
    entry.content = last_change->entry->content;
    result.content = *last_change;
  }
  return result;
}

}  // namespace ddsnap
