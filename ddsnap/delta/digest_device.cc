#include "ddsnap/delta/digest_device.h"

#include "ddsnap/base/limits.h"
#include "ddsnap/delta/changelist.h"
#include "ddsnap/delta/chunk_io.h"
#include "ddsnap/delta/device_scan.h"
#include "ddsnap/delta/stream_hash.h"

namespace ddsnap {

namespace {

// Gathers chunks into blocks.
class DigestWriter {
 public:
  DigestWriter(ByteSink& sink, const DigestHeader& header)
      : sink_(sink), zero_(digest_padded({}, header.geometry().chunk_bytes())) {}

  Status begin(const DigestHeader& header) { return put(encode_digest_header(header)); }

  Status add(const ScanPiece& piece) {
    if (piece.digests.empty()) return add_zeros(piece.chunks.count);
    for (const Hash128& hash : piece.digests) {
      if (hash == zero_) {
        DD_TRY(add_zeros(1));
        continue;
      }
      if (zeros_ > 0 || hashes_.size() == kMaxDigestBlockHashes * kDigestHashBytes)
        DD_TRY(write_block());
      hashes_.insert(hashes_.end(), hash.bytes.begin(), hash.bytes.end());
    }
    return {};
  }

  Status finish() {
    DD_TRY(write_block());
    DD_TRY(put(encode_digest_block(DigestBlockKind::kEnd, {}, {})));
    const Hash128 hash = hash_.digest();
    DD_TRY(sink_.write(hash.bytes));
    return sink_.finish();
  }

 private:
  Status add_zeros(std::uint32_t count) {
    if (!hashes_.empty() || zeros_ + std::uint64_t{count} > UINT32_MAX) DD_TRY(write_block());
    zeros_ += count;
    return {};
  }

  Status write_block() {
    const auto hashes = static_cast<std::uint32_t>(hashes_.size() / kDigestHashBytes);
    if (hashes == 0 && zeros_ == 0) return {};
    const auto kind = hashes > 0 ? DigestBlockKind::kHashes : DigestBlockKind::kZeros;
    const ChunkRange chunks{{static_cast<std::uint32_t>(next_chunk_)}, hashes + zeros_};
    DD_TRY(put(encode_digest_block(kind, chunks, hashes_)));
    DD_TRY(put(hashes_));
    next_chunk_ = chunks.end();
    hashes_.clear();
    zeros_ = 0;
    return {};
  }

  Status put(std::span<const std::byte> bytes) {
    hash_.update(bytes);
    return sink_.write(bytes);
  }

  ByteSink& sink_;
  const Hash128 zero_;
  StreamHash hash_;
  std::uint64_t next_chunk_ = 0;
  std::vector<std::byte> hashes_;  // of the block being gathered, or
  std::uint32_t zeros_ = 0;        // how many chunks of zeros it has
};

}  // namespace

Result<DigestHeader> digest_device(BlockDevice& device, unsigned chunk_shift,
                                   std::uint64_t created_ns, WorkContext& context, ByteSink& sink) {
  DigestHeader header{.uuid = {},
                      .volume_bytes = device.size_bytes(),
                      .created_ns = created_ns,
                      .chunk_shift = chunk_shift};
  if (const std::string uuid = device.proven_snapshot_uuid(); !uuid.empty())
    header.uuid = DD_TRY(Uuid::parse(uuid));
  DD_TRY(check_volume(chunk_shift, header.volume_bytes, header.volume_bytes));
  DD_TRY(check_holds_volume(device, header.geometry()));

  DigestWriter writer(sink, header);
  DD_TRY(writer.begin(header));
  BlockDevice* const devices[] = {&device};
  DeviceScan scan(devices, chunk_shift, context);
  DD_TRY(scan.run({.work = [](ScanPiece& piece) -> Status {
                     digest_piece(piece);
                     return {};
                   },
                   .consume = [&](ScanPiece& piece) { return writer.add(piece); }}));
  DD_TRY(writer.finish());
  return header;
}

}  // namespace ddsnap
