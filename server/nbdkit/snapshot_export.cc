#include "server/nbdkit/snapshot_export.h"

#include <algorithm>

#include "ddsnap/base/limits.h"
#include "ddsnap/io/export_description.h"

namespace ddsnap {

SnapshotExport::SnapshotExport(std::unique_ptr<SnapshotTarget> target)
    : target_(std::move(target)),
      description_(describe_snapshot_export(target_->snapshot_uuid(), target_->tag())) {}

Status SnapshotExport::write(std::uint64_t offset_bytes, std::span<const std::byte> from,
                             Durability durability) {
  DD_TRY(target_->write(offset_bytes, from));
  if (durability == Durability::kFua) return target_->flush();
  return {};
}

Status SnapshotExport::write_zeroes(ByteRange range, Durability durability) {
  const std::vector<std::byte> zeros(std::min<std::uint64_t>(range.length_bytes, kZeroBufferBytes));
  while (range.length_bytes > 0) {
    const std::uint64_t piece_bytes = std::min<std::uint64_t>(range.length_bytes, zeros.size());
    DD_TRY(target_->write(range.offset_bytes, std::span(zeros).first(piece_bytes)));
    range = {range.offset_bytes + piece_bytes, range.length_bytes - piece_bytes};
  }
  if (durability == Durability::kFua) return target_->flush();
  return {};
}

Result<std::vector<Extent>> SnapshotExport::extents(ByteRange range) {
  // A client asks for up to 4 GiB at a time and comes again for what was left out.
  const std::uint64_t most_bytes = std::uint64_t{kMaxChunksPerAnswer} * chunk_bytes();
  range.length_bytes = std::min(range.length_bytes, most_bytes);
  return target_->extents(range);
}

}  // namespace ddsnap
