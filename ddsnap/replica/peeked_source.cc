#include "ddsnap/replica/peeked_source.h"

#include <cstring>

namespace ddsnap {

Result<PeekedSource> PeekedSource::take(ByteSource& source) {
  PeekedSource peeked(source);
  DD_TRY(read_fully(source, peeked.bytes_));
  auto header = decode_delta_header(peeked.bytes_);
  if (!header) return with_context(source.name(), std::move(header).error());
  peeked.header_ = *std::move(header);
  return peeked;
}

Result<std::size_t> PeekedSource::read(std::span<std::byte> into) {
  if (given_ == bytes_.size()) return source_->read(into);
  const std::size_t count = std::min(into.size(), bytes_.size() - given_);
  std::memcpy(into.data(), bytes_.data() + given_, count);
  given_ += count;
  return count;
}

Status PeekedSource::seek_to(std::uint64_t offset_bytes) {
  DD_TRY(source_->seek_to(offset_bytes));
  given_ = bytes_.size();  // the source itself has them, too
  return {};
}

Status PeekedSource::drain() {
  std::vector<std::byte> piece(kReadPieceBytes);
  while (DD_TRY(source_->read(piece)) != 0) {
  }
  return {};
}

}  // namespace ddsnap
