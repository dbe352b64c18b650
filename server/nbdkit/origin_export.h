// The export "" or "origin": the volume itself, written through an origin target.
#pragma once

#include "server/nbdkit/export.h"

namespace ddsnap {

class OriginExport final : public Export {
 public:
  explicit OriginExport(std::unique_ptr<OriginTarget> target);

  std::uint64_t size_bytes() const override { return target_->geometry().volume_bytes; }
  std::uint32_t block_bytes() const override { return target_->device_geometry().block_bytes; }
  std::uint32_t chunk_bytes() const override { return target_->geometry().chunk_bytes(); }
  const std::string& description() const override { return description_; }

  Status read(std::uint64_t offset_bytes, std::span<std::byte> into) override {
    return target_->read(offset_bytes, into);
  }
  Status write(std::uint64_t offset_bytes, std::span<const std::byte> from,
               Durability durability) override {
    return target_->write(offset_bytes, from, durability);
  }
  Status write_zeroes(ByteRange range, Durability durability) override {
    return target_->write_zeroes(range, durability);
  }
  Status trim(ByteRange range) override { return target_->discard(range); }
  Status flush() override { return target_->flush(); }
  Result<std::vector<Extent>> extents(ByteRange range) override { return target_->extents(range); }

 private:
  const std::unique_ptr<OriginTarget> target_;
  const std::string description_;
};

}  // namespace ddsnap
