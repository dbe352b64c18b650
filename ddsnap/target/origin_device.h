// The origin as a BlockDevice, written through an origin target: what "ddsnap:SERVER" names.
//
// Errors    As OriginTarget.
// Threads   All of it is thread-safe.
// Lifetime  Owns its target; while it is open, snapshots are created only with its consent (T2).
#pragma once

#include <memory>
#include <string>

#include "ddsnap/io/block_device.h"
#include "ddsnap/target/origin_target.h"

namespace ddsnap {

class OriginDevice final : public BlockDevice {
 public:
  OriginDevice(std::string name, std::unique_ptr<OriginTarget> target);

  const DeviceGeometry& geometry() const override { return geometry_; }
  const std::string& name() const override { return name_; }
  Status run(std::span<IoRequest> batch) override;
  Status flush() override { return target_->flush(); }
  // It is no snapshot, and says so.
  std::string proven_snapshot_uuid() const override { return Uuid{}.to_string(); }
  Status discard(ByteRange range) override { return target_->discard(range); }
  Status write_zeroes(ByteRange range) override {
    return target_->write_zeroes(range, Durability::kLater);
  }

 private:
  void run_one(IoRequest& request);

  const std::string name_;
  const std::unique_ptr<OriginTarget> target_;
  DeviceGeometry geometry_;
};

}  // namespace ddsnap
