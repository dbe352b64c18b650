#include "ddsnap/replica/base_difference.h"

#include <cstring>

#include "ddsnap/base/aligned_buffer.h"
#include "ddsnap/base/limits.h"
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

Changelist chosen_of(const Changelist& list, const std::function<bool(ChunkNr)>& test) {
  Changelist chosen = without_chunks(list);
  ChangelistCursor cursor(list);
  while (const auto item = cursor.next())
    if (test(item->chunk)) chosen.append(item->chunk, item->before);
  return chosen;
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
