#include "ddsnap/delta/changelist.h"

#include <fmt/format.h>

#include <algorithm>

#include "ddsnap/base/limits.h"

namespace ddsnap {

namespace {

std::unexpected<Error> damaged(std::string text) {
  return fail(ErrorCode::kDamaged, std::move(text));
}

Status check_order(const std::vector<ChunkRange>& ranges, std::uint64_t chunk_limit) {
  std::uint64_t free_from = 0;
  for (const ChunkRange& range : ranges) {
    if (range.count == 0 || range.first.value < free_from)
      return damaged(fmt::format("its ranges do not ascend at chunk {}", range.first.value));
    if (range.end() > chunk_limit)
      return damaged(
          fmt::format("chunk {} lies beyond the volume's {} chunks", range.end() - 1, chunk_limit));
    free_from = range.end();
  }
  return {};
}

void join(std::vector<ChunkRange>& ranges, ChunkRange next) {
  const bool touches = !ranges.empty() && ranges.back().end() == next.first.value &&
                       std::uint64_t{ranges.back().count} + next.count <= UINT32_MAX;
  if (touches) {
    ranges.back().count += next.count;
  } else {
    ranges.push_back(next);
  }
}

// How many of the listed chunks are at or after `first`.
std::uint64_t count_from(const std::vector<ChunkRange>& ranges, std::uint64_t first) {
  std::uint64_t count = 0;
  for (const ChunkRange& range : ranges)
    if (range.end() > first)
      count += range.end() - std::max<std::uint64_t>(range.first.value, first);
  return count;
}

}  // namespace

void Changelist::append(ChunkNr chunk, std::optional<ChunkHash> before_hash) {
  if (before_hash && before.empty()) before.resize(chunk_count());
  const bool has_hashes = before_hash || !before.empty();
  join(ranges, ChunkRange{chunk, 1});
  if (has_hashes) before.push_back(before_hash);
}

void Changelist::append(ChunkRange range) {
  join(ranges, range);
  if (!before.empty()) before.resize(before.size() + range.count);
}

std::uint64_t Changelist::chunk_count() const {
  std::uint64_t count = 0;
  for (const ChunkRange& range : ranges) count += range.count;
  return count;
}

Status Changelist::check() const {
  DD_TRY(check_volume(chunk_shift, from_bytes, to_bytes));
  DD_TRY(check_stored_tag(from_tag));
  DD_TRY(check_stored_tag(to_tag));
  const std::uint64_t limit = std::max(from_geometry().chunk_count(), to_geometry().chunk_count());
  DD_TRY(check_order(ranges, limit));
  if (!before.empty() && before.size() != chunk_count())
    return damaged("it does not have one hash for each chunk");
  const std::uint64_t first_of_tail = smaller_bytes() >> chunk_shift;
  if (from_bytes != to_bytes && count_from(ranges, first_of_tail) != limit - first_of_tail)
    return damaged(fmt::format(
        "the volume changed its size, but not every chunk from {} on is listed", first_of_tail));
  return {};
}

Changelist full_changelist(ChunkGeometry to, const Uuid& to_uuid, std::string to_tag) {
  Changelist list;
  list.to_uuid = to_uuid;
  list.to_tag = std::move(to_tag);
  list.to_bytes = to.volume_bytes;
  list.chunk_shift = to.chunk_shift;
  std::uint64_t first = 0;
  while (first < to.chunk_count()) {
    const auto count = std::min<std::uint64_t>(to.chunk_count() - first, UINT32_MAX);
    list.append(ChunkRange{{static_cast<std::uint32_t>(first)}, static_cast<std::uint32_t>(count)});
    first += count;
  }
  return list;
}

Status check_stored_tag(const std::string& tag) {
  const auto is_printable = [](char c) { return c > ' ' && c < 127; };
  if (tag.size() <= kMaxTagBytes && std::all_of(tag.begin(), tag.end(), is_printable)) return {};
  return damaged("a tag in it is no tag");
}

Status check_volume(unsigned chunk_shift, std::uint64_t from_bytes, std::uint64_t to_bytes) {
  if (chunk_shift < kMinChunkShift || chunk_shift > kMaxChunkShift)
    return damaged(fmt::format("chunks of 2^{} bytes are not supported", chunk_shift));
  // Compared before any rounding, which could overflow.
  const std::uint64_t most_bytes = kMaxChunks << chunk_shift;
  if (from_bytes > most_bytes || to_bytes > most_bytes)
    return damaged(fmt::format("a volume of {} bytes has more than 2^32 chunks",
                               std::max(from_bytes, to_bytes)));
  return {};
}

std::optional<ChangelistCursor::Item> ChangelistCursor::next() {
  if (range_index_ == list_.ranges.size()) return std::nullopt;
  const ChunkRange& range = list_.ranges[range_index_];
  Item item{{range.first.value + in_range_}, std::nullopt};
  if (!list_.before.empty()) item.before = list_.before[chunk_index_];
  skip(1);
  return item;
}

ChunkRange ChangelistCursor::rest_of_range() const {
  if (range_index_ == list_.ranges.size()) return {};
  const ChunkRange& range = list_.ranges[range_index_];
  return {{range.first.value + in_range_}, range.count - in_range_};
}

void ChangelistCursor::skip(std::uint32_t count) {
  if (count == 0) return;
  chunk_index_ += count;
  in_range_ += count;
  if (in_range_ < list_.ranges[range_index_].count) return;
  ++range_index_;
  in_range_ = 0;
}

}  // namespace ddsnap
