// Where a snapshot's chunk lies, and reading it (DESIGN section 3, read(s, c)).
#include <fmt/format.h>

#include <cstring>

#include "server/store/snap_store_impl.h"

namespace ddsnap {

Result<Location> SnapStore::Impl::locate(const Boundary& snapshot, ChunkNr chunk) {
  const Location damaged{Location::Place::kDamaged, {}, {}};
  if (snapshot.private_table && snapshot.private_table->has(chunk)) {
    if (snapshot.private_table->missing.contains(chunk.value)) return damaged;
    const Exception found = DD_TRY(find_in_table(*snapshot.private_table, chunk, cache));
    return Location{Location::Place::kPrivate, found.slot, {}};
  }
  const Table* table = state.live().find(snapshot.epoch, chunk);
  if (!table) return Location{};
  if (table->lost.contains(chunk.value)) return damaged;
  const Exception found = DD_TRY(find_in_table(*table, chunk, cache));
  const auto place = found.is_zero() ? Location::Place::kZero : Location::Place::kSlot;
  return Location{place, found.slot, found.hash};
}

Status SnapStore::Impl::read_chunk(const Boundary& snapshot, ChunkNr chunk,
                                   std::span<std::byte> into) {
  const Location location = DD_TRY(locate(snapshot, chunk));
  switch (location.place) {
    case Location::Place::kZero:
      std::memset(into.data(), 0, into.size());
      return {};
    case Location::Place::kOrigin: {
      const ByteRange bytes = facts.geometry.bytes_of(chunk);
      std::memset(into.data() + bytes.length_bytes, 0, into.size() - bytes.length_bytes);
      return origin.read_at(bytes.offset_bytes, into.first(bytes.length_bytes));
    }
    case Location::Place::kPrivate:
      return snapstore.read_at(layout().slot_offset_bytes(location.slot), into);
    case Location::Place::kSlot:
      DD_TRY(snapstore.read_at(layout().slot_offset_bytes(location.slot), into));
      if (hash_chunk(into) == location.hash) return {};
      break;
    case Location::Place::kDamaged:
      break;
  }
  return fail(ErrorCode::kDamaged,
              fmt::format("chunk {} of snapshot {} is damaged in the snapstore", chunk.value,
                          snapshot.tag));
}

Status SnapStore::locate(Epoch snapshot, ChunkRange range, std::vector<Location>& out) {
  const Boundary* boundary = impl_->state.find(snapshot);
  if (!boundary || !boundary->is_live())
    return fail(ErrorCode::kNotFound, fmt::format("no live snapshot of epoch {}", snapshot.value));
  for (std::uint64_t chunk = range.first.value; chunk < range.end(); ++chunk) {
    Result<Location> location = impl_->locate(*boundary, {static_cast<std::uint32_t>(chunk)});
    if (!location) {
      if (!impl_->complaint)
        impl_->complaint = "metadata cannot be read: " + location.error().message();
      if (location.error().code == ErrorCode::kDamaged)
        location = Location{Location::Place::kDamaged, {}, {}};
    }
    out.push_back(DD_TRY(std::move(location)));
  }
  return {};
}

// A changelist is the union of change maps, what either end wrote privately, and whatever lies
// beyond the smaller size (D6).
Result<Roaring> SnapStore::changed(Epoch from, Epoch to) const {
  const State& state = impl_->state;
  const Boundary* first = state.find(from);
  const Boundary* last = to ? state.find(to) : nullptr;
  if (!first || (to && !last)) return fail(ErrorCode::kNotFound, "no such snapshot");
  if (to && to < from)
    return fail(ErrorCode::kUsage, "the first snapshot is newer than the second");
  Roaring changed = first->written_keys().bitmap();
  if (last) last->written_keys().add_to(changed);
  for (auto at = state.boundaries.find(from.value); at != state.boundaries.end(); ++at) {
    if (to && at->first >= to.value) break;
    if (at->second.is_map_incomplete)
      return fail(
          ErrorCode::kDamaged,
          fmt::format("the origin was written unseen after {} and before the next one; what "
                      "differs across that is not known, and only a full delta is right",
                      at->second.tag));
    at->second.change_map().add_to(changed);
  }
  const std::uint64_t last_bytes = last ? last->size_bytes : state.origin_bytes;
  const ChunkGeometry smaller{impl_->layout().chunk_shift, std::min(first->size_bytes, last_bytes)};
  const ChunkGeometry larger{impl_->layout().chunk_shift, std::max(first->size_bytes, last_bytes)};
  if (smaller.volume_bytes != larger.volume_bytes)
    changed.addRange(smaller.volume_bytes >> smaller.chunk_shift, larger.chunk_count());
  const ChunkGeometry listed{impl_->layout().chunk_shift, larger.volume_bytes};
  if (listed.chunk_count() < kMaxChunks) {
    Roaring inside;
    inside.addRange(0, listed.chunk_count());
    changed &= inside;
  }
  return changed;
}

}  // namespace ddsnap
