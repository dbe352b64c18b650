#include "server/nbdkit/difference_export.h"

#include <algorithm>

namespace ddsnap {
namespace {

// What one answer may hold; a client comes again for the rest.
constexpr std::size_t kMaxExtents = 4096;

std::unexpected<Error> read_only() {
  return fail(ErrorCode::kUsage, "a difference of two snapshots is read-only");
}

}  // namespace

DifferenceExport::DifferenceExport(std::unique_ptr<SnapshotTarget> target,
                                   VolumeCatalog::Changelist changes)
    : SnapshotExport(std::move(target)), changes_(std::move(changes)) {}

Status DifferenceExport::write(std::uint64_t, std::span<const std::byte>, Durability) {
  return read_only();
}

Status DifferenceExport::write_zeroes(ByteRange, Durability) {
  return read_only();
}

Result<std::vector<Extent>> DifferenceExport::extents(ByteRange range) {
  std::vector<Extent> extents;
  std::uint64_t at = range.offset_bytes;
  const auto add_until = [&](std::uint64_t end_bytes, Extent::Kind kind) {
    end_bytes = std::min(end_bytes, range.end_bytes());
    if (end_bytes > at) extents.push_back({{at, end_bytes - at}, kind});
    at = std::max(at, end_bytes);
  };
  const std::uint64_t chunk_bytes = this->chunk_bytes();
  auto changed = std::ranges::partition_point(
      changes_.changed, [&](ChunkRange run) { return run.end() * chunk_bytes <= at; });
  for (; changed != changes_.changed.end() && at < range.end_bytes(); ++changed) {
    if (extents.size() >= kMaxExtents) return extents;
    add_until(changed->first.value * chunk_bytes, Extent::Kind::kUnchanged);
    add_until(changed->end() * chunk_bytes, Extent::Kind::kData);
  }
  add_until(range.end_bytes(), Extent::Kind::kUnchanged);
  return extents;
}

}  // namespace ddsnap
