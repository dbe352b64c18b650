#include "ddsnap/delta/present.h"

#include <algorithm>
#include <cstring>

#include "ddsnap/base/limits.h"

namespace ddsnap {

namespace {

// Cuts entries into looks.
class LookPlanner {
 public:
  LookPlanner(const DeltaHeader& header, BlockDevice& target, std::size_t most_bytes)
      : geometry_(header.to_geometry()),
        target_(target),
        most_(std::max<std::size_t>(1, most_bytes >> header.chunk_shift)) {}

  Status add(const FrameEntry& entry) {
    const std::uint64_t run_bytes = std::uint64_t{entry.count} << geometry_.chunk_shift;
    if (entry.content != ContentKind::kZero || run_bytes < kReadPieceBytes) {
      add_to_read(entry, {entry.first, entry.count});
      return {};
    }
    return add_by_extents(entry);
  }

  std::vector<Look> take() {
    if (!looks_.back().asked.empty()) return std::move(looks_);
    looks_.pop_back();
    return std::move(looks_);
  }

 private:
  // Whole chunks inside a hole need no reading.
  Status add_by_extents(const FrameEntry& entry) {
    const ByteRange bytes = bytes_of(entry);
    ChunkRange rest{entry.first, entry.count};
    for (const Extent& extent : DD_TRY(target_.extents(bytes))) {
      if (extent.kind != Extent::Kind::kZero) continue;
      const std::uint64_t first =
          round_up(extent.range.offset_bytes, geometry_.chunk_bytes()) >> geometry_.chunk_shift;
      const bool is_to_the_end = extent.range.end_bytes() >= bytes.end_bytes();
      const std::uint64_t end =
          is_to_the_end ? rest.end() : extent.range.end_bytes() >> geometry_.chunk_shift;
      if (end <= first || first < rest.first.value) continue;
      add_to_read(entry, split(rest, first));
      add_hole(entry, split(rest, end));
    }
    add_to_read(entry, rest);
    return {};
  }

  ByteRange bytes_of(const FrameEntry& entry) const {
    const std::uint64_t start = geometry_.offset_of(entry.first);
    const std::uint64_t end =
        std::min(entry.end() << geometry_.chunk_shift, geometry_.volume_bytes);
    return {start, end - start};
  }

  // The chunks before `at`, taken off the front.
  static ChunkRange split(ChunkRange& chunks, std::uint64_t at) {
    const ChunkRange front{chunks.first, static_cast<std::uint32_t>(at - chunks.first.value)};
    chunks.count -= front.count;
    chunks.first.value += front.count;
    return front;
  }

  void add_hole(const FrameEntry& entry, ChunkRange chunks) {
    if (chunks.count > 0) looks_.back().asked.push_back({part_of(entry, chunks), true});
  }

  void add_to_read(const FrameEntry& entry, ChunkRange chunks) {
    while (chunks.count > 0) {
      if (looks_.back().read_chunks == most_) looks_.emplace_back();
      Look& look = looks_.back();
      const std::size_t room = most_ - look.read_chunks;
      const std::uint64_t take = std::min<std::uint64_t>(room, chunks.count);
      look.asked.push_back({part_of(entry, split(chunks, chunks.first.value + take)), false});
      look.read_chunks += take;
    }
  }

  static FrameEntry part_of(FrameEntry entry, ChunkRange chunks) {
    entry.first = chunks.first;
    entry.count = chunks.count;
    return entry;
  }

  const ChunkGeometry geometry_;
  BlockDevice& target_;
  const std::size_t most_;
  std::vector<Look> looks_ = std::vector<Look>(1);
};

bool is_before(const DeltaHeader& header, const FrameEntry& entry, ChunkNr chunk, ChunkHash present,
               std::span<std::byte> content) {
  switch (entry.before_kind) {
    case BeforeKind::kUnknown:
      return true;
    case BeforeKind::kNew:
      // Where the volume grew anything may be; a full delta starts from an empty target.
      return !header.is_full() || present == hash_of_zero_chunk(header.chunk_shift);
    case BeforeKind::kKnown:
      break;
  }
  // A hole is all zeros, whatever is cut off.
  if (content.empty() || !header.is_boundary(chunk)) return present == entry.before;
  cut_boundary(header, chunk, content);
  return hash_chunk(content) == entry.before;
}

// Of chunks that all have one content: `content` of one of them, or nothing where it is a hole.
PresentRun judge_run(const DeltaHeader& header, const FrameEntry& entry, ChunkRange chunks,
                     std::span<std::byte> content) {
  const ChunkHash present =
      content.empty() ? hash_of_zero_chunk(header.chunk_shift) : hash_chunk(content);
  return {.chunks = chunks,
          .is_before = is_before(header, entry, chunks.first, present, content),
          .is_after = present == entry.after,
          .is_unproven = entry.before_kind == BeforeKind::kUnknown};
}

}  // namespace

Result<std::vector<Look>> plan_looks(const DeltaHeader& header, BlockDevice& target,
                                     const DeltaFrame& frame) {
  const bool is_difference = frame.encoding == Encoding::kZstdDifference;
  LookPlanner planner(header, target,
                      std::max<std::size_t>(kReadPieceBytes, is_difference ? frame.data_bytes : 0));
  for (const FrameEntry& entry : frame.entries) DD_TRY(planner.add(entry));
  return planner.take();
}

std::vector<ChunkNr> chunks_to_read(const Look& look) {
  std::vector<ChunkNr> chunks;
  chunks.reserve(look.read_chunks);
  for (const Looked& asked : look.asked)
    for (std::uint32_t i = 0; !asked.is_hole && i < asked.entry.count; ++i)
      chunks.push_back({asked.entry.first.value + i});
  return chunks;
}

std::vector<PresentRun> judge(const DeltaHeader& header, const Look& look,
                              std::span<std::byte> present) {
  const std::size_t chunk_bytes = header.to_geometry().chunk_bytes();
  std::vector<PresentRun> runs;
  for (const Looked& asked : look.asked) {
    if (asked.is_hole) {
      append_run(runs, judge_run(header, asked.entry, {asked.entry.first, asked.entry.count}, {}));
      continue;
    }
    for (std::uint32_t i = 0; i < asked.entry.count; ++i) {
      const ChunkNr chunk{asked.entry.first.value + i};
      append_run(runs, judge_run(header, asked.entry, {chunk, 1}, present.first(chunk_bytes)));
      present = present.subspan(chunk_bytes);
    }
  }
  return runs;
}

void append_run(std::vector<PresentRun>& runs, const PresentRun& run) {
  if (!runs.empty()) {
    PresentRun& last = runs.back();
    const bool is_alike = last.is_before == run.is_before && last.is_after == run.is_after &&
                          last.is_unproven == run.is_unproven;
    const std::uint64_t joined = std::uint64_t{last.chunks.count} + run.chunks.count;
    if (is_alike && last.chunks.end() == run.chunks.first.value && joined <= UINT32_MAX) {
      last.chunks.count = static_cast<std::uint32_t>(joined);
      return;
    }
  }
  runs.push_back(run);
}

void cut_boundary(const DeltaHeader& header, ChunkNr chunk, std::span<std::byte> content) {
  if (!header.is_boundary(chunk)) return;
  const std::uint64_t keep_bytes = header.common_bytes() - header.to_geometry().offset_of(chunk);
  std::memset(content.data() + keep_bytes, 0, content.size() - keep_bytes);
}

std::vector<ChunkNr> prefix_chunks(const DeltaFrame& frame) {
  std::vector<ChunkNr> chunks;
  if (frame.encoding != Encoding::kZstdDifference) return chunks;
  for (const FrameEntry& entry : frame.entries)
    if (is_prefix_part(entry)) chunks.push_back(entry.first);
  return chunks;
}

void cut_prefix(const DeltaHeader& header, std::span<const ChunkNr> chunks,
                std::span<std::byte> prefix) {
  if (chunks.empty()) return;
  cut_boundary(header, chunks.back(), prefix.last(header.to_geometry().chunk_bytes()));
}

bool is_right_prefix(const DeltaHeader& header, const DeltaFrame& frame,
                     std::span<const std::byte> prefix) {
  const std::size_t chunk_bytes = header.to_geometry().chunk_bytes();
  for (const FrameEntry& entry : frame.entries) {
    if (!is_prefix_part(entry)) continue;
    if (hash_chunk(prefix.first(chunk_bytes)) != entry.before) return false;
    prefix = prefix.subspan(chunk_bytes);
  }
  return true;
}

}  // namespace ddsnap
