#include "ddsnap/replica/hash_compare.h"

#include <fmt/format.h>

#include <algorithm>

#include "ddsnap/delta/chunk_io.h"
#include "ddsnap/replica/hash_window.h"

namespace ddsnap {

namespace {

// Compares one window; what differs is added.
void note_differences(const HashWindow& ours, const HashesSession& theirs,
                      std::vector<ChunkRange>& ranges) {
  if (ours.is_zero() && theirs.hashes.empty()) return;
  const std::vector<Hash128> our_hashes = ours.hashes();
  const Hash128 zero = ours.zero_hash();
  for (std::uint32_t i = 0; i < theirs.chunks.count; ++i) {
    const Hash128& here = our_hashes.empty() ? zero : our_hashes[i];
    const Hash128& there = theirs.hashes.empty() ? zero : theirs.hashes[i];
    if (here != there) append_range(ranges, {{theirs.chunks.first.value + i}, 1});
  }
}

std::uint64_t clipped_end(const AuditSession& question, std::uint64_t volume_bytes) {
  const ChunkGeometry geometry{question.chunk_shift, volume_bytes};
  return std::min(question.first + question.count, geometry.chunk_count());
}

// Where one volume ends before the other, the rest differs, whatever it holds.
void append_rest(const AuditSession& question, std::uint64_t from, std::uint64_t end,
                 std::vector<ChunkRange>& ranges) {
  for (std::uint64_t at = std::max(from, question.first); at < end;) {
    const std::uint64_t count = std::min<std::uint64_t>(end - at, UINT32_MAX);
    append_range(ranges, {{static_cast<std::uint32_t>(at)}, static_cast<std::uint32_t>(count)});
    at += count;
  }
}

}  // namespace

void append_range(std::vector<ChunkRange>& ranges, ChunkRange chunks) {
  const bool is_adjacent = !ranges.empty() && ranges.back().end() == chunks.first.value &&
                           ranges.back().count <= UINT32_MAX - chunks.count;
  if (is_adjacent) {
    ranges.back().count += chunks.count;
  } else {
    ranges.push_back(chunks);
  }
}

ChunkSlice slice_of(std::uint64_t chunks, std::uint64_t part, std::uint64_t parts) {
  const std::uint64_t size = chunks / parts;
  const std::uint64_t longer = chunks % parts;  // so many parts have one more
  const std::uint64_t first = part * size + std::min(part, longer);
  return {first, size + (part < longer ? 1 : 0)};
}

std::vector<ByteRange> bytes_of_ranges(const std::vector<ChunkRange>& ranges, unsigned chunk_shift,
                                       std::uint64_t volume_bytes) {
  std::vector<ByteRange> all;
  for (const ChunkRange& one : ranges) {
    const std::uint64_t start = std::uint64_t{one.first.value} << chunk_shift;
    all.push_back({start, std::min(one.end() << chunk_shift, volume_bytes) - start});
  }
  return all;
}

Result<HashDifferences> compare_by_hash(MessageStream& stream, const AuditSession& question,
                                        BlockDevice& ours, ChunkGeometry geometry,
                                        WorkContext& context) {
  DD_TRY(stream.send(question));
  HashDifferences found;
  found.there_bytes = DD_TRY(stream.expect<SideSession>())
  .volume_bytes;
  const std::uint64_t our_end = clipped_end(question, geometry.volume_bytes);
  const std::uint64_t their_end = clipped_end(question, found.there_bytes);
  // The chunk in which the smaller volume ends holds other bytes in the larger one.
  HashWindow window(ours, geometry, context);
  for (std::uint64_t next = question.first; next < their_end;) {
    const auto theirs = DD_TRY(stream.expect<HashesSession>());
    if (theirs.chunks.first.value != next || theirs.chunks.end() > their_end)
      return fail(ErrorCode::kDamaged, stream.channel().peer() + ": hashes come out of order");
    next = theirs.chunks.end();
    if (next <= our_end) {
      DD_TRY(window.read(theirs.chunks));
      note_differences(window, theirs, found.ranges);
    } else if (theirs.chunks.first.value < our_end) {
      append_range(found.ranges, theirs.chunks);  // told as a whole
    }
    context.report({.chunks_done = next - question.first,
                    .chunks_total = question.count,
                    .chunk_bytes = geometry.chunk_bytes(),
                    .address_bytes = next << geometry.chunk_shift});
  }
  const std::uint64_t told = found.ranges.empty() ? 0 : found.ranges.back().end();
  if (our_end != their_end)
    append_rest(question, std::max(std::min(our_end, their_end), told),
                std::max(our_end, their_end), found.ranges);
  return found;
}

Status answer_by_hash(MessageStream& stream, const AuditSession& question, BlockDevice& ours,
                      WorkContext& context) {
  const ChunkGeometry geometry{question.chunk_shift, ours.size_bytes()};
  DD_TRY(check_holds_volume(ours, geometry));
  DD_TRY(stream.send(SideSession{.volume_bytes = geometry.volume_bytes}));
  const std::uint64_t end = clipped_end(question, geometry.volume_bytes);
  HashWindow window(ours, geometry, context);
  for (std::uint64_t next = question.first; next < end;) {
    const auto count =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(question.window_chunks, end - next));
    DD_TRY(window.read({{static_cast<std::uint32_t>(next)}, count}));
    DD_TRY(stream.send(HashesSession{.chunks = window.chunks(), .hashes = window.hashes()}));
    next += count;
  }
  return {};
}

}  // namespace ddsnap
