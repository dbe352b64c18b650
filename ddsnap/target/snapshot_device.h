// A snapshot as a BlockDevice: what the delta engine reads by the name "ddsnap:SERVER#TAG".
//
// Errors    As SnapshotTarget.
// Threads   All of it is thread-safe.
// Lifetime  Owns its target; being open counts as use of the snapshot.
#pragma once

#include <memory>
#include <string>

#include "ddsnap/io/block_device.h"
#include "ddsnap/target/snapshot_target.h"

namespace ddsnap {

class SnapshotDevice final : public BlockDevice {
 public:
  SnapshotDevice(std::string name, std::unique_ptr<SnapshotTarget> target)
      : name_(std::move(name)), target_(std::move(target)) {}

  const DeviceGeometry& geometry() const override { return target_->device_geometry(); }
  const std::string& name() const override { return name_; }
  Status run(std::span<IoRequest> batch) override;
  Status flush() override { return target_->flush(); }
  Status will_read(std::span<const ByteRange> ranges) override { return target_->look_up(ranges); }
  Result<std::vector<Extent>> extents(ByteRange range) override { return target_->extents(range); }
  std::string proven_snapshot_uuid() const override { return target_->snapshot_uuid().to_string(); }

 private:
  const std::string name_;
  const std::unique_ptr<SnapshotTarget> target_;
};

}  // namespace ddsnap
