#include "ddsnap/replica/base_difference.h"

#include <fmt/format.h>

#include <cstring>

#include "ddsnap/base/aligned_buffer.h"
#include "ddsnap/base/limits.h"
#include "ddsnap/base/size_text.h"
#include "ddsnap/delta/chunk_io.h"

namespace ddsnap {

namespace {

Changelist without_chunks(const Changelist& list) {
  Changelist none = list;
  none.ranges.clear();
  none.before.clear();
  return none;
}

using Items = std::vector<ChangelistCursor::Item>;

Items next_items(ChangelistCursor& cursor, std::size_t most) {
  Items items;
  while (items.size() < most) {
    const auto item = cursor.next();
    if (!item) break;
    items.push_back(*item);
  }
  return items;
}

}  // namespace

Status check_copy_size(const std::string& name, std::uint64_t volume_bytes, const std::string& tag,
                       std::uint64_t snapshot_bytes) {
  if (volume_bytes == snapshot_bytes) return {};
  const char* const way_on = volume_bytes < snapshot_bytes
                                 ? "enlarge the origin here, then 'ddsnap resize'"
                                 : "a volume does not shrink, so its copy has to be made anew, on "
                                   "an origin of that size";
  return fail(ErrorCode::kUsage,
              fmt::format("{}: the volume has {} bytes, but '{}' has {}; {}", name,
                          with_commas(volume_bytes), tag, with_commas(snapshot_bytes), way_on));
}

Changelist chosen_of(const Changelist& list, const std::function<bool(ChunkNr)>& test) {
  Changelist chosen = without_chunks(list);
  ChangelistCursor cursor(list);
  while (const auto item = cursor.next())
    if (test(item->chunk)) chosen.append(item->chunk, item->before);
  return chosen;
}

Changelist common_of(Changelist list) {
  if (list.from_bytes == list.to_bytes) return list;
  const ChunkGeometry geometry = list.to_geometry();
  Changelist common = chosen_of(list, [&](ChunkNr chunk) {
    return geometry.offset_of(chunk) + geometry.chunk_bytes() <= list.smaller_bytes();
  });
  common.from_bytes = common.to_bytes;
  return common;
}

Result<Changelist> truly_different(const Changelist& list, BlockDevice& present,
                                   BlockDevice* base) {
  const ChunkGeometry geometry = list.to_geometry();
  const std::size_t chunk_bytes = geometry.chunk_bytes();
  const std::size_t most = kReadPieceBytes / chunk_bytes;
  AlignedBuffer now(most * chunk_bytes), then(most * chunk_bytes);
  Changelist different = without_chunks(list);
  ChangelistCursor cursor(list);
  for (Items items; !(items = next_items(cursor, most)).empty();) {
    std::vector<ChunkNr> chunks;
    for (const auto& item : items) chunks.push_back(item.chunk);
    DD_TRY(ChunkIo(present, geometry).read(chunks, now.span()));
    if (base != nullptr) DD_TRY(ChunkIo(*base, geometry).read(chunks, then.span()));
    for (std::size_t i = 0; i < items.size(); ++i) {
      const auto is = now.span().subspan(i * chunk_bytes, chunk_bytes);
      const bool is_same =
          base != nullptr ? std::memcmp(is.data(), then.data() + i * chunk_bytes, chunk_bytes) == 0
                          : items[i].before && hash_chunk(is) == *items[i].before;
      if (!is_same) different.append(items[i].chunk, items[i].before);
    }
  }
  return different;
}

}  // namespace ddsnap
