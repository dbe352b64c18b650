// The export "FROM..TO": TO, read-only, whose extents say what changed since FROM.
//
// Shape     Unchanged stretches are told as kUnchanged ("hole" on the wire, never "zero"), so that
// a copier that ignores the difference still copies right data.
#pragma once

#include "server/nbdkit/snapshot_export.h"
#include "server/nbdkit/volume_catalog.h"

namespace ddsnap {

class DifferenceExport final : public SnapshotExport {
 public:
  DifferenceExport(std::unique_ptr<SnapshotTarget> target, VolumeCatalog::Changelist changes);

  bool is_writable() const override { return false; }
  Status write(std::uint64_t, std::span<const std::byte>, Durability) override;
  Status write_zeroes(ByteRange, Durability) override;
  Result<std::vector<Extent>> extents(ByteRange range) override;

 private:
  const VolumeCatalog::Changelist changes_;
};

}  // namespace ddsnap
