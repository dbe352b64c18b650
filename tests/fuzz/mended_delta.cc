#include "tests/fuzz/mended_delta.h"

#include <cstring>

#include "ddsnap/base/endian.h"
#include "ddsnap/delta/delta_frame.h"
#include "ddsnap/delta/delta_trailer.h"
#include "ddsnap/delta/stream_hash.h"

namespace ddsnap::fuzz {

namespace {

// DELTA.md, section 3.
constexpr std::uint64_t kHeaderSeed = 0x415444484c454444;
constexpr std::size_t kHeaderChecksumAt = 248;
constexpr std::size_t kChunkShiftAt = 10;
constexpr std::size_t kDeltaUuidAt = 16;
constexpr std::size_t kChunkCountAt = 88;
constexpr std::size_t kEntryCountAt = 8;
constexpr std::size_t kPayloadBytesAt = 16;
constexpr std::size_t kFrameNrAt = 24;
constexpr std::size_t kFrameHashAt = 32;
constexpr std::size_t kEntryContentAt = 6;
constexpr std::size_t kEntryAfterAt = 16;

template <class Integer>
Integer get(std::span<const std::byte> bytes, std::size_t at) {
  Integer value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

void put(std::span<std::byte> bytes, std::size_t at, std::uint64_t value) {
  const le64 disk(value);
  std::memcpy(bytes.data() + at, &disk, sizeof disk);
}

void mend_header(Bytes& delta, std::uint64_t chunk_count) {
  put(delta, kChunkCountAt, chunk_count);
  put(delta, kHeaderChecksumAt,
      checksum_of(std::span(delta).first(kHeaderChecksumAt), kHeaderSeed));
}

void mend_content(std::span<std::byte> frame, std::size_t entries, unsigned chunk_shift) {
  if (chunk_shift < 12 || chunk_shift > 20) return;
  const std::size_t chunk_bytes = std::size_t{1} << chunk_shift;
  std::size_t at = kFrameHeaderStoredBytes + entries * kFrameEntryBytes;
  for (std::size_t i = 0; i < entries; ++i) {
    const std::size_t entry = kFrameHeaderStoredBytes + i * kFrameEntryBytes;
    const auto content = static_cast<ContentKind>(frame[entry + kEntryContentAt]);
    if (content == ContentKind::kZero)
      put(frame, entry + kEntryAfterAt, hash_of_zero_chunk(chunk_shift).value);
    if (content != ContentKind::kData) continue;
    if (at + chunk_bytes > frame.size()) return;
    put(frame, entry + kEntryAfterAt, hash_chunk(frame.subspan(at, chunk_bytes)).value);
    at += chunk_bytes;
  }
}

void mend_hash(std::span<std::byte> frame, std::span<const std::byte> delta_uuid) {
  StreamHash hash;
  hash.update(delta_uuid);
  hash.update(frame.first(kFrameHashAt));
  hash.update(frame.subspan(kFrameHeaderStoredBytes));
  const Hash128 digest = hash.digest();
  std::memcpy(frame.data() + kFrameHashAt, digest.bytes.data(), digest.bytes.size());
}

// The length of the frame that begins here; 0: none does.
std::size_t frame_bytes(std::span<const std::byte> rest) {
  if (rest.size() < kFrameHeaderStoredBytes || std::memcmp(rest.data(), "DDFR", 4) != 0) return 0;
  const std::uint64_t length =
      kFrameHeaderStoredBytes +
      std::uint64_t{get<le32>(rest, kEntryCountAt).get()} * kFrameEntryBytes +
      get<le32>(rest, kPayloadBytesAt).get();
  return length <= rest.size() ? length : 0;
}

void append(Bytes& delta, const Bytes& bytes) {
  delta.insert(delta.end(), bytes.begin(), bytes.end());
}

// Index and trailer anew, for frames that are well-formed.
void rebuild_end(Bytes& delta, std::size_t index_at, const std::vector<DeltaFrame>& frames) {
  delta.resize(index_at);
  DeltaTrailer trailer;
  trailer.index_offset_bytes = index_at;
  append(delta, encode_index_header(frames.size()));
  for (const DeltaFrame& frame : frames) {
    append(delta, encode_index_entry(frame));
    add_frame(trailer.totals, frame);
  }
  mend_header(delta, trailer.totals.chunks);
  trailer.stream_bytes = delta.size() + kTrailerBytes;
  append(delta, encode_trailer(trailer));
  append(delta, {});
  StreamHash hash;
  hash.update(delta);
  const Hash128 digest = hash.digest();
  append(delta, {digest.bytes.begin(), digest.bytes.end()});
}

}  // namespace

void mend_delta(Bytes& delta, bool with_content) {
  if (delta.size() < kDeltaHeaderBytes) return;
  mend_header(delta, get<le64>(delta, kChunkCountAt).get());
  const auto header =
      decode_delta_header(std::span<const std::byte>(delta).first<kDeltaHeaderBytes>());
  const auto chunk_shift = static_cast<unsigned>(delta[kChunkShiftAt]);
  std::vector<DeltaFrame> frames;
  bool are_well_formed = header.has_value();
  std::size_t at = kDeltaHeaderBytes;
  for (std::uint64_t number = 0;; ++number) {
    const std::size_t length = frame_bytes(std::span(delta).subspan(at));
    if (length == 0) break;
    const auto frame = std::span(delta).subspan(at, length);
    put(frame, kFrameNrAt, number);
    if (with_content) mend_content(frame, get<le32>(frame, kEntryCountAt).get(), chunk_shift);
    mend_hash(frame, std::span(delta).subspan(kDeltaUuidAt, 16));
    if (are_well_formed) {
      auto decoded = decode_delta_frame(*header, frame.first<kFrameHeaderStoredBytes>(),
                                        frame.subspan(kFrameHeaderStoredBytes));
      are_well_formed = decoded.has_value();
      if (decoded) {
        decoded->offset_bytes = at;
        frames.push_back(*std::move(decoded));
      }
    }
    at += length;
  }
  if (are_well_formed) rebuild_end(delta, at, frames);
}

}  // namespace ddsnap::fuzz
