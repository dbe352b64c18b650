// The export "TAG": a snapshot, to read and to write.
//
// Shape     A trim succeeds undone: it is advice (T10).
#pragma once

#include "ddsnap/target/snapshot_target.h"
#include "server/nbdkit/export.h"

namespace ddsnap {

class SnapshotExport : public Export {
 public:
  explicit SnapshotExport(std::unique_ptr<SnapshotTarget> target);

  std::uint64_t size_bytes() const override { return target_->geometry().volume_bytes; }
  std::uint32_t block_bytes() const override { return target_->device_geometry().block_bytes; }
  std::uint32_t chunk_bytes() const override { return target_->geometry().chunk_bytes(); }
  const std::string& description() const override { return description_; }

  Status read(std::uint64_t offset_bytes, std::span<std::byte> into) override {
    return target_->read(offset_bytes, into);
  }
  Status write(std::uint64_t offset_bytes, std::span<const std::byte> from,
               Durability durability) override;
  Status write_zeroes(ByteRange range, Durability durability) override;
  Status trim(ByteRange) override { return {}; }
  Status flush() override { return target_->flush(); }
  Result<std::vector<Extent>> extents(ByteRange range) override;

 protected:
  SnapshotTarget& target() { return *target_; }

 private:
  const std::unique_ptr<SnapshotTarget> target_;
  const std::string description_;
};

}  // namespace ddsnap
