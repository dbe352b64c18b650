#include "ddsnap/delta/digest_reader.h"

#include <array>
#include <cstring>

#include "ddsnap/delta/device_scan.h"

namespace ddsnap {

Result<DigestReader> DigestReader::open(ByteSource& source) {
  std::array<std::byte, kDigestHeaderBytes> bytes;
  DD_TRY(read_fully(source, bytes));
  const auto header = decode_digest_header(bytes);
  if (!header) return with_context(source.name(), header.error());
  DigestReader reader(source, *header);
  reader.hash_.update(bytes);
  return reader;
}

DigestReader::DigestReader(ByteSource& source, const DigestHeader& header)
    : source_(&source),
      header_(header),
      zero_(digest_padded({}, header.geometry().chunk_bytes())) {}

Result<Hash128> DigestReader::next() {
  if (left_ == 0)
    if (auto read = read_block(); !read)
      return with_context(source_->name(), std::move(read).error());
  const std::size_t left = left_--;
  if (kind_ == DigestBlockKind::kZeros) return zero_;
  Hash128 hash;
  std::memcpy(hash.bytes.data(), hashes_.data() + hashes_.size() - left * kDigestHashBytes,
              kDigestHashBytes);
  return hash;
}

Status DigestReader::finish() {
  DD_CHECK(left_ == 0 && next_chunk_ == header_.geometry().chunk_count());
  const auto end = DD_TRY(read_block_header());
  if (end.kind != DigestBlockKind::kEnd)
    return fail(ErrorCode::kDamaged, source_->name() + " goes on after the volume's end");
  const Hash128 wanted = hash_.digest();
  Hash128 found;
  DD_TRY(read_fully(*source_, found.bytes));
  if (found != wanted)
    return fail(ErrorCode::kDamaged, source_->name() + ": the hash of the whole file is wrong");
  return expect_end(*source_);
}

Status DigestReader::take(std::span<std::byte> into) {
  DD_TRY(read_fully(*source_, into));
  hash_.update(into);
  return {};
}

Result<DigestBlock> DigestReader::read_block_header() {
  std::array<std::byte, kDigestBlockBytes> bytes;
  DD_TRY(take(bytes));
  return decode_digest_block(bytes);
}

Status DigestReader::read_block() {
  const DigestBlock block = DD_TRY(read_block_header());
  if (block.kind == DigestBlockKind::kEnd || block.chunks.first.value != next_chunk_ ||
      block.chunks.end() > header_.geometry().chunk_count())
    return fail(ErrorCode::kDamaged, "its blocks do not cover the volume");
  hashes_.resize(block.kind == DigestBlockKind::kHashes
                     ? std::size_t{block.chunks.count} * kDigestHashBytes
                     : 0);
  DD_TRY(take(hashes_));
  if (checksum_of_digest_hashes(hashes_) != block.hashes_checksum)
    return fail(ErrorCode::kDamaged, "the checksum of its hashes is wrong");
  next_chunk_ = block.chunks.end();
  left_ = block.chunks.count;
  kind_ = block.kind;
  return {};
}

}  // namespace ddsnap
