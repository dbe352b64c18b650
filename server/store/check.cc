// Verifying what lies on the devices, a bounded piece at a time: metadata blocks are read again,
// past the cache, and every slot is compared with its hash (S5). Nothing is changed.
//
// Source    Epochs are visited from the newest to the oldest, because a removal folds a table into
//           an older one: what is there during the whole check is never passed by.
#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "server/store/bitmap_ranges.h"
#include "server/store/snap_store_impl.h"

namespace ddsnap {

namespace {

using Phase = CheckCursor::Phase;

constexpr std::uint64_t kFromNewest = std::numeric_limits<std::uint64_t>::max();
void add_finding(CheckPiece& piece, DamageKind kind, std::string text) {
  piece.damages.push_back({.kind = kind, .text = std::move(text)});
}

void add_ranges(CheckPiece& piece, DamageKind kind, Epoch oldest, Epoch newest,
                const Roaring& chunks) {
  for_each_range(chunks, [&](std::uint64_t first, std::uint64_t end) {
    piece.damages.push_back(
        {.kind = kind, .oldest = oldest, .newest = newest, .first_chunk = first, .end_chunk = end});
  });
}

// One metadata block that a boundary's tables or change map name.
struct NamedBlock {
  ObjectId object;
  std::uint32_t index = 0;
  std::uint32_t location = 0;
  const Table* table = nullptr;  // none: the change map
  const Run* run = nullptr;
};

std::vector<NamedBlock> blocks_of(const Boundary& boundary) {
  std::vector<NamedBlock> blocks;
  for (const Table* table : {boundary.table.get(), boundary.private_table.get()}) {
    if (!table) continue;
    for (const RunGroup& group : table->groups)
      for (const Run& run : group.runs)
        for (std::uint32_t i = run.first_block_index(); i <= run.last_block_index(); ++i)
          blocks.push_back(
              {{MetadataType::kRun, run.owner}, i, run.object_first_block + i, table, &run});
  }
  if (boundary.map_is_keys) return blocks;
  std::uint32_t index = 0;
  for (const auto& extent : boundary.map_blob.extents)
    for (std::uint32_t i = 0; i < extent.count; ++i)
      blocks.push_back(
          {{MetadataType::kChangeMap, boundary.map_blob.owner}, index++, extent.first + i});
  return blocks;
}

// The chunks of the table whose entries may be in that block.
Roaring chunks_in(const NamedBlock& block) {
  const auto& index = *block.run->block_index;
  const std::size_t at = block.index - block.run->first_block_index();
  const std::uint64_t end =
      at + 1 < index.size() ? index[at + 1] : std::uint64_t{block.run->last_chunk.value} + 1;
  Roaring chunks;
  chunks.addRange(index[at], end);
  return common(block.table->keys, chunks);
}

}  // namespace

CheckPiece SnapStore::Impl::check_piece(const CheckCursor& from) {
  switch (from.phase) {
    case Phase::kSuperblocks:
      return check_superblocks();
    case Phase::kManifest:
      return check_manifest(from);
    case Phase::kJournal:
      return check_journal(from);
    case Phase::kTables:
      return check_tables(from);
    case Phase::kLost:
      return check_lost(from);
    case Phase::kSlots:
      return check_slots(from);
  }
  return {};
}

CheckPiece SnapStore::Impl::check_superblocks() {
  CheckPiece piece;
  piece.next = {.phase = Phase::kManifest};
  const auto check = [&](BlockDevice& device, int copy) {
    ++piece.blocks_checked;
    piece.bytes_read += kMetadataBlockBytes;
    const auto read = read_superblock_copy(device, copy, superblock.layout);
    if (!read)
      add_finding(
          piece, DamageKind::kSuperblock,
          fmt::format("{}: superblock copy {}: {}", device.name(), copy, read.error().message()));
    else if (read->store != superblock.store || read->generation != superblock.generation ||
             (read->role == StoreRole::kMetadata && read->sequence != superblock.sequence))
      add_finding(piece, DamageKind::kSuperblock,
                  fmt::format("{}: superblock copy {} is not the last one that was written",
                              device.name(), copy));
  };
  for (int copy = 0; copy < kSuperblockCopies; ++copy) check(metadata, copy);
  if (is_split)
    for (const int copy : {0, 1}) check(snapstore, copy);
  return piece;
}

// Reads the block and counts it; the error that it has.
Status SnapStore::Impl::check_block(ObjectId object, std::uint32_t index, std::uint32_t location,
                                    CheckPiece& piece) {
  AlignedBuffer buffer(kMetadataBlockBytes);
  ++piece.blocks_checked;
  piece.bytes_read += kMetadataBlockBytes;
  DD_TRY(metadata.read_at(layout().block_offset_bytes(location), buffer.span()));
  DD_TRY(check_metadata_block(buffer.span(), facts.uuid, object, index, location));
  return {};
}

CheckPiece SnapStore::Impl::check_manifest(const CheckCursor& from) {
  CheckPiece piece;
  std::uint64_t block = 0;  // of both copies
  for (const BlobRef& manifest : superblock.manifests) {
    const ObjectId object{MetadataType::kManifest, manifest.owner};
    std::uint32_t index = 0;
    for (const auto& extent : manifest.extents)
      for (std::uint32_t i = 0; i < extent.count; ++i, ++index, ++block) {
        if (block < from.a) continue;
        if (piece.bytes_read >= kCheckPieceBytes || !piece.damages.empty()) {
          piece.next = {.phase = Phase::kManifest, .a = block};
          return piece;
        }
        if (const Status read = check_block(object, index, extent.first + i, piece); !read)
          add_finding(piece, DamageKind::kManifest, "manifest: " + read.error().message());
      }
  }
  piece.next = {.phase = Phase::kJournal};
  return piece;
}

// Follows the chain on the device up to the record that is the last one in memory.
CheckPiece SnapStore::Impl::check_journal(const CheckCursor& from) {
  CheckPiece piece;
  const bool is_passed = from.b < superblock.journal.last_number;  // by a checkpoint meanwhile
  JournalPosition position =
      is_passed ? superblock.journal : JournalPosition{from.a, from.b, from.c};
  const auto checked = journal.check(position, kCheckPieceBytes, piece.bytes_read);
  if (!checked) add_finding(piece, DamageKind::kJournal, checked.error().message());
  if (checked && *checked)
    piece.next = {.phase = Phase::kJournal,
                  .a = (*checked)->next_offset_bytes,
                  .b = (*checked)->last_number,
                  .c = (*checked)->last_checksum};
  else
    piece.next = {.phase = Phase::kTables, .a = kFromNewest};
  return piece;
}

CheckPiece SnapStore::Impl::check_tables(const CheckCursor& from) {
  CheckPiece piece;
  std::uint64_t skip = from.b;
  std::optional<std::uint32_t> last_good;  // tables share blocks
  auto at = state.boundaries.upper_bound(from.a);
  if (at == state.boundaries.begin() || std::prev(at)->first != from.a) skip = 0;
  while (at != state.boundaries.begin()) {
    const Boundary& boundary = (--at)->second;
    const std::vector<NamedBlock> blocks = blocks_of(boundary);
    for (std::uint64_t i = std::exchange(skip, 0); i < blocks.size(); ++i) {
      const NamedBlock& block = blocks[i];
      if (last_good == block.location) continue;
      if (piece.bytes_read >= kCheckPieceBytes || !piece.damages.empty()) {
        piece.next = {.phase = Phase::kTables, .a = boundary.epoch.value, .b = i};
        return piece;
      }
      const Status read = check_block(block.object, block.index, block.location, piece);
      if (read) {
        last_good = block.location;
        continue;
      }
      const bool is_map = block.table == nullptr;
      add_finding(piece, is_map ? DamageKind::kChangeMap : DamageKind::kTable,
                  fmt::format("{} of {}: {}", is_map ? "change map" : "table", boundary.tag,
                              read.error().message()));
      if (!is_map)
        add_hurt(boundary, chunks_in(block), block.table == boundary.private_table.get(), piece);
    }
    piece.bytes_read += 64;  // so that many empty tables end a piece too
  }
  piece.next = {.phase = Phase::kLost, .a = kFromNewest};
  return piece;
}

CheckPiece SnapStore::Impl::check_lost(const CheckCursor& from) {
  CheckPiece piece;
  for (auto at = state.boundaries.upper_bound(from.a); at != state.boundaries.begin();) {
    const Boundary& boundary = (--at)->second;
    if (piece.damages.size() >= max_ranges_told) {
      piece.next = {.phase = Phase::kLost, .a = boundary.epoch.value};
      return piece;
    }
    if (boundary.table && !boundary.table->lost.isEmpty())
      add_hurt(boundary, boundary.table->lost, false, piece);
    if (boundary.private_table && !boundary.private_table->lost.isEmpty())
      add_hurt(boundary, boundary.private_table->lost, true, piece);
  }
  piece.next = {.phase = Phase::kSlots, .a = kFromNewest};
  return piece;
}

// Who reads these chunks of the snapshot's table: the snapshot itself and the older ones, down to
// the one that has a copy of its own. Where that would be too much to tell, one range that holds
// them all is told, and for all older snapshots.
void SnapStore::Impl::add_hurt(const Boundary& boundary, const Roaring& chunks, bool is_private,
                               CheckPiece& piece) {
  const std::size_t before = piece.damages.size();
  if (is_private) {
    add_ranges(piece, DamageKind::kHurtPrivate, boundary.epoch, boundary.epoch, chunks);
  } else {
    Roaring rest = chunks;
    for (const Boundary* reader = &boundary; reader && !rest.isEmpty();) {
      if (const Table* own = reader->private_table.get())
        add_ranges(piece, DamageKind::kShielded, reader->epoch, reader->epoch,
                   common(own->keys, rest) - own->lost);
      const Boundary* older = state.find(state.live().before(reader->epoch));
      const Roaring last_here = older ? common(older->table->keys, rest) : rest;
      add_ranges(piece, DamageKind::kHurt, reader->epoch, boundary.epoch, last_here);
      rest -= last_here;
      reader = older;
    }
  }
  if (piece.damages.size() - before <= max_ranges_told) return;
  piece.damages.resize(before);
  piece.damages.push_back({.kind = is_private ? DamageKind::kHurtPrivate : DamageKind::kHurt,
                           .oldest = is_private ? boundary.epoch : Epoch{1},
                           .newest = boundary.epoch,
                           .first_chunk = chunks.minimum(),
                           .end_chunk = std::uint64_t{chunks.maximum()} + 1});
}

CheckPiece SnapStore::Impl::check_slots(const CheckCursor& from) {
  CheckPiece piece;
  CheckCursor cursor = from;
  auto at = state.boundaries.upper_bound(from.a);
  if (at == state.boundaries.begin() || std::prev(at)->first != from.a) cursor.b = cursor.c = 0;
  while (at != state.boundaries.begin()) {
    const Boundary& boundary = (--at)->second;
    cursor.a = boundary.epoch.value;
    for (; cursor.b < 2; ++cursor.b, cursor.c = 0) {
      const bool is_private = cursor.b == 1;
      const Table* table = is_private ? boundary.private_table.get() : boundary.table.get();
      if (!table) continue;
      for (std::optional<std::uint64_t> next = cursor.c; next;) {
        next = check_some_slots(boundary, *table, is_private, *next, piece);
        if (piece.bytes_read < kCheckPieceBytes && piece.damages.empty()) continue;
        piece.next = {.phase = Phase::kSlots,
                      .a = boundary.epoch.value,
                      .b = next ? cursor.b : cursor.b + 1,
                      .c = next.value_or(0)};
        return piece;
      }
    }
    cursor.b = 0;
    piece.bytes_read += 64;
    if (piece.bytes_read >= kCheckPieceBytes && boundary.epoch.value > 1) {
      piece.next = {.phase = Phase::kSlots, .a = boundary.epoch.value - 1};
      return piece;
    }
  }
  return piece;
}

// One batch of slots. The chunk to go on with; none at the end of the table.
std::optional<std::uint64_t> SnapStore::Impl::check_some_slots(const Boundary& boundary,
                                                               const Table& table, bool is_private,
                                                               std::uint64_t first_chunk,
                                                               CheckPiece& piece) {
  if (first_chunk >= kMaxChunks) return std::nullopt;
  const std::size_t chunk_bytes = facts.geometry.chunk_bytes();
  const std::size_t batch = std::max<std::size_t>(kCheckPieceBytes / chunk_bytes, 1);
  struct Slot {
    std::uint32_t chunk;
    Exception exception;
  };
  std::vector<Slot> found;
  Roaring bad;
  Roaring wrong;  // those among them that will not become right by themselves
  std::optional<std::uint64_t> next;
  std::string first_error;
  const auto note_bad = [&](std::uint32_t chunk, const Error& error) {
    if (bad.isEmpty()) first_error = fmt::format("chunk {}: {}", chunk, error.message());
    bad.add(chunk);
    if (may_give_up(error)) wrong.add(chunk);
  };
  std::vector<std::uint32_t> keys =
      table.keys.some_from(static_cast<std::uint32_t>(first_chunk), batch + 1);
  if (keys.size() > batch) {
    next = keys.back();
    keys.pop_back();
  }
  for (const std::uint32_t key : keys) {
    if (table.lost.contains(key)) continue;
    const auto exception = find_in_table(table, {key}, cache);
    if (!exception)
      note_bad(key, exception.error());
    else if (exception->has_slot())
      found.push_back({key, *exception});
  }
  AlignedBuffer buffer(found.size() * chunk_bytes);
  std::vector<IoRequest> requests;
  for (std::size_t i = 0; i < found.size(); ++i)
    requests.push_back(IoRequest::read(layout().slot_offset_bytes(found[i].exception.slot),
                                       buffer.span().subspan(i * chunk_bytes, chunk_bytes)));
  if (!snapstore.run(requests))
    for (IoRequest& request : requests) request.status = snapstore.run(std::span(&request, 1));
  std::uint64_t right_slots = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    const Exception& exception = found[i].exception;
    const auto bytes = buffer.span().subspan(i * chunk_bytes, chunk_bytes);
    if (!requests[i].status)
      note_bad(found[i].chunk, requests[i].status.error());
    else if (!is_private && hash_chunk(bytes) != exception.hash)
      note_bad(found[i].chunk,
               fail(ErrorCode::kDamaged,
                    fmt::format("slot {} does not hold what was saved there", exception.slot.value))
                   .error());
    else
      ++right_slots;
  }
  if (salvage && !is_private) salvage->right_slots += right_slots;
  piece.slots_checked += found.size();
  piece.bytes_read += found.size() * chunk_bytes;
  if (bad.isEmpty()) return next;
  add_finding(piece, DamageKind::kSlot,
              fmt::format("{} saved chunks of {}{} are damaged, the first: {}", bad.cardinality(),
                          boundary.tag, is_private ? " (its own)" : "", first_error));
  if (salvage && !wrong.isEmpty())
    salvage->wrong_slots[{boundary.epoch.value, is_private}] |= wrong;
  add_hurt(boundary, bad, is_private, piece);
  return next;
}

}  // namespace ddsnap
