#include "ddsnap/delta/changed_blocks.h"

#include <algorithm>
#include <cstring>

#include "ddsnap/base/limits.h"
#include "ddsnap/delta/present.h"

namespace ddsnap {

namespace {

void append(std::vector<BlockRun>& runs, std::size_t at_bytes, std::size_t length_bytes) {
  const BlockRun run{static_cast<std::uint32_t>(at_bytes / kChangedBlockBytes),
                     static_cast<std::uint32_t>(length_bytes / kChangedBlockBytes)};
  if (!runs.empty() && runs.back().end() == run.first) {
    runs.back().count += run.count;
  } else {
    runs.push_back(run);
  }
}

// Where one of the volumes ends, a chunk's bytes are not all its own.
bool is_all_its_own(const DeltaHeader& header, ChunkNr chunk) {
  const ChunkGeometry geometry = header.to_geometry();
  return !header.is_boundary(chunk) &&
         geometry.bytes_of(chunk).length_bytes == geometry.chunk_bytes();
}

}  // namespace

std::size_t BlockRun::offset_bytes() const {
  return std::size_t{first} * kChangedBlockBytes;
}
std::size_t BlockRun::length_bytes() const {
  return std::size_t{count} * kChangedBlockBytes;
}

std::size_t changed_unit_bytes(const DeviceGeometry& device) {
  return std::max(
      {kChangedBlockBytes, std::size_t{device.block_bytes}, std::size_t{device.physical_bytes}});
}

std::vector<BlockRun> find_changed_blocks(const DeltaHeader& header, const DeltaFrame& frame,
                                          std::span<const std::byte> prefix,
                                          std::span<const std::byte> content,
                                          std::size_t unit_bytes) {
  const std::size_t chunk_bytes = header.to_geometry().chunk_bytes();
  std::vector<BlockRun> runs;
  std::size_t at = 0;
  for (const FrameEntry& entry : frame.entries) {
    if (entry.content != ContentKind::kData) continue;
    const auto chunk = content.subspan(at, chunk_bytes);
    std::span<const std::byte> old;
    if (is_prefix_part(entry)) {
      old = prefix.first(chunk_bytes);
      prefix = prefix.subspan(chunk_bytes);
    }
    const bool is_whole =
        old.empty() || chunk_bytes % unit_bytes != 0 || !is_all_its_own(header, entry.first);
    const std::size_t step = is_whole ? chunk_bytes : unit_bytes;
    for (std::size_t in = 0; in < chunk_bytes; in += step)
      if (is_whole || std::memcmp(chunk.data() + in, old.data() + in, step) != 0)
        append(runs, at + in, step);
    at += chunk_bytes;
  }
  return runs;
}

std::vector<BlockRun> all_blocks(const DeltaFrame& frame) {
  std::vector<BlockRun> runs;
  if (frame.data_bytes > 0) append(runs, 0, frame.data_bytes);
  return runs;
}

std::span<const std::byte> part_of(std::span<const std::byte> content, const BlockRun& run) {
  return content.subspan(run.offset_bytes(), run.length_bytes());
}

}  // namespace ddsnap
