// A delta stream whose header was read already, and is read again by whoever applies it.
//
// Threads   As the source.
// Lifetime  Borrows the source.
#pragma once

#include <array>

#include "ddsnap/delta/byte_stream.h"
#include "ddsnap/delta/delta_header.h"

namespace ddsnap {

class PeekedSource final : public ByteSource {
 public:
  static Result<PeekedSource> take(ByteSource& source);

  const DeltaHeader& header() const { return header_; }
  Result<std::size_t> read(std::span<std::byte> into) override;
  bool can_rewind() const override { return source_->can_rewind(); }
  Status rewind() override { return seek_to(0); }
  Status seek_to(std::uint64_t offset_bytes) override;
  const std::string& name() const override { return source_->name(); }
  // Reads on to the end, and forgets it.
  Status drain();

 private:
  explicit PeekedSource(ByteSource& source) : source_(&source) {}

  ByteSource* source_;
  DeltaHeader header_;
  std::array<std::byte, kDeltaHeaderBytes> bytes_{};
  std::size_t given_ = 0;  // of bytes_
};

}  // namespace ddsnap
