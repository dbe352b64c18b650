// A device in memory: what a test uses where nothing is to go wrong.
//
// Shape     Sparse: what was never written reads as zeros and is told as kZero by extents().
//           discard() overwrites whole pages' worth of the range with kDiscardedByte, so that
//           whoever relies on discarded content is found out.
// Durable   flush() does nothing; there is no crash. See sim_device.h for one.
// Threads   Safe from several threads.
#pragma once

#include <cstdint>
#include <shared_mutex>
#include <string>
#include <vector>

#include "ddsnap/io/block_device.h"
#include "tests/support/cow_bytes.h"

namespace ddsnap::test {

inline constexpr std::byte kDiscardedByte{0xd5};

class MemoryDevice final : public BlockDevice {
 public:
  explicit MemoryDevice(std::uint64_t size_bytes, std::string name = "memory");
  explicit MemoryDevice(const DeviceGeometry& geometry, std::string name = "memory");
  // Starts with this content. Requires: geometry.size_bytes == content.size().
  MemoryDevice(const DeviceGeometry& geometry, CowBytes content, std::string name = "memory");

  const DeviceGeometry& geometry() const override { return geometry_; }
  const std::string& name() const override { return name_; }
  Status run(std::span<IoRequest> batch) override;
  Status flush() override { return {}; }
  Status discard(ByteRange range) override;
  Status write_zeroes(ByteRange range) override;
  Result<std::vector<Extent>> extents(ByteRange range) override;
  std::string proven_snapshot_uuid() const override { return proven_uuid_; }

  // Writes, discards and zeroes are then refused with kUsage, as a read-only device does.
  void set_read_only(bool is_read_only) { is_read_only_ = is_read_only; }
  void set_proven_snapshot_uuid(std::string uuid) { proven_uuid_ = std::move(uuid); }
  // A cheap copy of everything, for comparing and for going back.
  CowBytes content() const;
  void set_content(CowBytes content);

 private:
  Status check_writable() const;

  const DeviceGeometry geometry_;
  const std::string name_;
  bool is_read_only_ = false;  // set before threads start
  std::string proven_uuid_;
  mutable std::shared_mutex mutex_;
  CowBytes bytes_;  // guarded by mutex_
};

}  // namespace ddsnap::test
