#include "server/store/superblock_search.h"

#include <algorithm>
#include <tuple>

#include "ddsnap/base/aligned_buffer.h"
#include "ddsnap/base/limits.h"

namespace ddsnap {

namespace {

// With slots behind it a table region ends here at the latest: layout.cc gives a 64th of the device
// to the entries of 4 KiB chunks, a 512th to the rest, and the journal comes on top.
std::uint64_t search_end_bytes(const BlockDevice& metadata, bool is_all_metadata) {
  const std::uint64_t all = metadata.size_bytes();
  return is_all_metadata ? all : std::min(all, kJournalOffset + all / 32 + kSuperblockSearchBytes);
}

std::optional<Superblock> copy_at(BlockDevice& metadata, std::uint64_t offset_bytes) {
  auto read = read_superblock_at(metadata, offset_bytes);
  const bool is_it = read && read->role == StoreRole::kMetadata &&
                     check_metadata_layout(read->layout, metadata) &&
                     read->layout.superblock_offset_bytes(2) == offset_bytes;
  if (!is_it) return std::nullopt;
  return std::move(*read);
}

}  // namespace

Result<std::optional<SuperblockRead>> find_third_superblock(BlockDevice& metadata,
                                                            bool is_all_metadata) {
  constexpr std::size_t kPieceBytes = 1 << 20;
  std::optional<SuperblockRead> best;
  std::optional<Error> first_error;
  bool has_read = false;
  AlignedBuffer buffer(kPieceBytes);
  const std::uint64_t end_bytes = search_end_bytes(metadata, is_all_metadata);
  for (std::uint64_t at = kJournalOffset; at < end_bytes; at += kPieceBytes) {
    const auto length_bytes = std::min<std::uint64_t>(kPieceBytes, end_bytes - at) /
                              kMetadataPageBytes * kMetadataPageBytes;
    const auto piece = buffer.span().first(length_bytes);
    const Status read = metadata.read_at(at, piece);
    has_read |= read.has_value();
    if (!read && !first_error) first_error = read.error();
    for (std::uint64_t i = 0; i < length_bytes; i += kMetadataPageBytes) {
      // Where a whole piece cannot be read, each block may be by itself.
      if (read && !is_superblock_magic(piece.subspan(i, kMetadataPageBytes))) continue;
      auto found = copy_at(metadata, at + i);
      if (!found) continue;
      const auto age = [](const Superblock& one) {
        return std::tuple(one.created_ns, one.sequence);
      };
      if (!best || age(*found) > age(best->superblock))
        best = {.superblock = std::move(*found), .findings = {}, .stale_copies = {0, 1}};
    }
  }
  if (!best && !has_read && first_error) return std::unexpected(*first_error);
  return best;
}

}  // namespace ddsnap
