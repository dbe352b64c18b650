#include "ddsnap/delta/compare.h"

#include <cstring>

#include "ddsnap/delta/chunk_io.h"
#include "ddsnap/delta/device_scan.h"
#include "ddsnap/delta/digest_reader.h"

namespace ddsnap {

namespace {

Result<Uuid> uuid_of(const BlockDevice& device) {
  const std::string text = device.proven_snapshot_uuid();
  if (text.empty()) return Uuid{};
  return Uuid::parse(text);
}

// Whether a chunk is listed whatever it holds: from the smaller volume's end on (D6).
bool is_tail(const Changelist& list, ChunkNr chunk) {
  return list.from_bytes != list.to_bytes &&
         chunk.value >= list.smaller_bytes() >> list.chunk_shift;
}

bool are_equal(std::span<const std::byte> a, std::span<const std::byte> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size()) == 0;
}

// Whether one chunk of the piece is the same on both sides. Requires: not both are zero.
bool is_same(const ScanPiece& piece, std::uint32_t index) {
  const ScanPiece::Side& old_side = piece.sides[0];
  const ScanPiece::Side& new_side = piece.sides[1];
  if (old_side.is_zero) return is_all_zero(piece.bytes_of(new_side, index));
  if (new_side.is_zero) return is_all_zero(piece.bytes_of(old_side, index));
  return are_equal(piece.bytes_of(old_side, index), piece.bytes_of(new_side, index));
}

ChunkHash hash_of(const ScanPiece& piece, const ScanPiece::Side& side, std::uint32_t index) {
  const std::size_t chunk_bytes = std::size_t{1} << piece.chunk_shift;
  return hash_padded(side.is_zero ? std::span<const std::byte>{} : piece.bytes_of(side, index),
                     chunk_bytes);
}

void find_differences(const Changelist& list, ScanPiece& piece) {
  const bool are_both_zero = piece.sides[0].is_zero && piece.sides[1].is_zero;
  if (are_both_zero && !is_tail(list, {static_cast<std::uint32_t>(piece.chunks.end() - 1)})) return;
  for (std::uint32_t i = 0; i < piece.chunks.count; ++i) {
    const ChunkNr chunk{piece.chunks.first.value + i};
    if (!is_tail(list, chunk) && (are_both_zero || is_same(piece, i))) continue;
    piece.found.push_back(chunk);
    piece.hashes.push_back(hash_of(piece, piece.sides[0], i));
  }
}

// Chunks that the old volume does not have have no old hash.
void append_found(Changelist& list, const ScanPiece& piece) {
  for (std::size_t i = 0; i < piece.found.size(); ++i) {
    const bool was_there = piece.found[i].value < list.from_geometry().chunk_count();
    list.append(piece.found[i], was_there ? std::optional(piece.hashes[i]) : std::nullopt);
  }
}

// XXH3-64 of a chunk is the lower half of its XXH3-128; the canonical form has that half last.
ChunkHash lower_half(const Hash128& hash) {
  std::uint64_t value = 0;
  for (std::size_t i = 8; i < hash.bytes.size(); ++i)
    value = value << 8 | std::to_integer<std::uint64_t>(hash.bytes[i]);
  return {value};
}

}  // namespace

Result<Changelist> compare_devices(BlockDevice& old_device, BlockDevice& new_device,
                                   unsigned chunk_shift, WorkContext& context) {
  Changelist list;
  list.from_bytes = old_device.size_bytes();
  list.to_bytes = new_device.size_bytes();
  list.chunk_shift = chunk_shift;
  DD_TRY(check_volume(chunk_shift, list.from_bytes, list.to_bytes));
  DD_TRY(check_holds_volume(old_device, list.from_geometry()));
  DD_TRY(check_holds_volume(new_device, list.to_geometry()));
  list.from_uuid = DD_TRY(uuid_of(old_device));
  list.to_uuid = DD_TRY(uuid_of(new_device));

  BlockDevice* const devices[] = {&old_device, &new_device};
  DeviceScan scan(devices, chunk_shift, context);
  const Changelist ends = list;  // what the workers look at while the list grows
  DD_TRY(scan.run({.work = [&](ScanPiece& piece) -> Status {
                     find_differences(ends, piece);
                     return {};
                   },
                   .consume = [&](ScanPiece& piece) -> Status {
                     append_found(list, piece);
                     return {};
                   }}));
  return list;
}

Result<Changelist> compare_devices(BlockDevice& old_device, BlockDevice& new_device,
                                   unsigned chunk_shift) {
  WorkContext context;
  return compare_devices(old_device, new_device, chunk_shift, context);
}

Result<Changelist> compare_with_digest(ByteSource& digest, BlockDevice& new_device,
                                       WorkContext& context) {
  DigestReader old_chunks = DD_TRY(DigestReader::open(digest));
  Changelist list;
  list.from_uuid = old_chunks.header().uuid;
  list.from_bytes = old_chunks.header().volume_bytes;
  list.to_bytes = new_device.size_bytes();
  list.chunk_shift = old_chunks.header().chunk_shift;
  DD_TRY(check_volume(list.chunk_shift, list.from_bytes, list.to_bytes));
  DD_TRY(check_holds_volume(new_device, list.to_geometry()));
  list.to_uuid = DD_TRY(uuid_of(new_device));

  const std::size_t chunk_bytes = list.to_geometry().chunk_bytes();
  const Hash128 zero = digest_padded({}, chunk_bytes);
  const std::uint64_t old_count = list.from_geometry().chunk_count();
  const auto see = [&](ChunkNr chunk, const Hash128& present) -> Status {
    std::optional<Hash128> before;
    if (chunk.value < old_count) before = DD_TRY(old_chunks.next());
    if (!is_tail(list, chunk) && before == present) return {};
    list.append(chunk, before ? std::optional(lower_half(*before)) : std::nullopt);
    return {};
  };
  BlockDevice* const devices[] = {&new_device};
  DeviceScan scan(devices, list.chunk_shift, context);
  DD_TRY(scan.run({.work = [&](ScanPiece& piece) -> Status {
                     digest_piece(piece);
                     return {};
                   },
                   .consume = [&](ScanPiece& piece) -> Status {
                     for (std::uint32_t i = 0; i < piece.chunks.count; ++i)
                       DD_TRY(see({piece.chunks.first.value + i},
                                  piece.digests.empty() ? zero : piece.digests[i]));
                     return {};
                   }}));
  for (std::uint64_t chunk = list.to_geometry().chunk_count(); chunk < old_count; ++chunk)
    DD_TRY(see({static_cast<std::uint32_t>(chunk)}, zero));
  DD_TRY(old_chunks.finish());
  return list;
}

}  // namespace ddsnap
