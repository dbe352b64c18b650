// Opening a store: read what the manifest names, replay the journal, judge its last record, derive
// free space, and make the result the new starting point (S2, S3, S7). Until the new superblock is
// durable nothing that the old one names is touched, so recovery may itself be cut off at any
// point.
#include <fmt/format.h>

#include "server/store/snap_store_impl.h"

namespace ddsnap {

namespace {

std::size_t choose_spill_entries(const Layout& layout, std::size_t wanted) {
  if (wanted != 0) return wanted;
  const std::uint64_t capacity = layout.table_blocks * kRunEntriesPerBlock;
  return std::clamp<std::uint64_t>(capacity / 16, 512, 1u << 17);
}

// Metadata and data device must be of one store, and of one opening of it: a copy of either
// restored by itself is refused.
Status check_data_device(BlockDevice& snapstore, Superblock& metadata) {
  const Superblock data = DD_TRY(read_superblock(snapstore, StoreRole::kData))
  .superblock;
  if (data.store != metadata.store)
    return fail(ErrorCode::kUsage,
                snapstore.name() + ": snapstore and metadata device belong to different stores");
  if (data.generation != metadata.generation && data.generation != metadata.generation + 1)
    return fail(ErrorCode::kDamaged,
                fmt::format("{}: snapstore and metadata device are of different times (openings {} "
                            "and {})",
                            snapstore.name(), data.generation, metadata.generation));
  if (metadata.closed < data.closed) {  // the metadata device could not be marked
    metadata.closed = data.closed;
    metadata.closed_why = data.closed_why;
  }
  return {};
}

std::unexpected<Error> closed(const BlockDevice& metadata, const Superblock& superblock) {
  const bool went_on = superblock.closed == ClosedMark::kOriginWentOn;
  return fail(
      ErrorCode::kFailed,
      fmt::format("{}: the snapstore has failed ({}){}; 'ddsnap server --resume' takes it "
                  "back, '--without-store' opens the origin without it",
                  metadata.name(), superblock.closed_why,
                  went_on ? ", and the origin was written without it: its snapshots are lost"
                          : ", and its snapshots were kept"));
}

}  // namespace

SnapStore::Impl::Impl(const StoreDevices& devices, const Options& options, RandomSource& source,
                      const Superblock& found)
    : snapstore(devices.snapstore),
      origin(devices.origin),
      metadata(devices.metadata ? *devices.metadata : devices.snapstore),
      is_split(devices.metadata != nullptr),
      random(source),
      superblock(found),
      journal(metadata, found.layout, found.store),
      cache(metadata, found.layout, found.store, options.cache_bytes),
      slots(found.layout.slot_count),
      blocks(found.layout.table_blocks),
      spill_entries(choose_spill_entries(found.layout, options.spill_entries)),
      next_owner(random.next_u64() << 32) {
  facts = {.uuid = found.store,
           .geometry = {found.layout.chunk_shift, origin.size_bytes()},
           .created_ns = found.created_ns,
           .slots_offset_bytes = found.layout.slots_offset_bytes,
           .slots_total = found.layout.slot_count,
           .metadata_bytes_total = found.layout.table_blocks * kMetadataBlockBytes,
           .journal_bytes_total = found.layout.journal_bytes};
  const std::size_t chunk_bytes = facts.geometry.chunk_bytes();
  batch_buffer = AlignedBuffer(std::clamp(kMaxBatchChunks * chunk_bytes, chunk_bytes,
                                          std::max(kBatchBufferBytes, chunk_bytes)));
}

Result<std::unique_ptr<SnapStore>> SnapStore::open(const StoreDevices& devices,
                                                   const Options& options, RandomSource& random) {
  BlockDevice& metadata = devices.metadata ? *devices.metadata : devices.snapstore;
  SuperblockRead read = DD_TRY(read_superblock(metadata, StoreRole::kMetadata));
  if (const Status sane = check_layout(read.superblock.layout, devices); !sane)
    return with_context(metadata.name(), sane.error());
  if (devices.metadata) DD_TRY(check_data_device(devices.snapstore, read.superblock));
  auto impl = std::make_unique<Impl>(devices, options, random, read.superblock);
  if (options.was_closed) impl->superblock.closed = ClosedMark::kOriginWentOn;
  if (impl->superblock.closed != ClosedMark::kNone && !options.must_resume)
    return closed(metadata, impl->superblock);
  if (read.finding) impl->findings.push_back(*read.finding);
  impl->stale_superblock_copy = read.stale_copy;
  if (const Status recovered = impl->recover(options); !recovered)
    return with_context(metadata.name(), recovered.error());
  return std::unique_ptr<SnapStore>(new SnapStore(std::move(impl)));
}

Status SnapStore::Impl::recover(const Options& options) {
  DD_TRY(load_manifest());
  const std::optional<CopiedOutOp> judged = DD_TRY(replay_journal());
  DD_TRY(derive_used_slots());
  const std::vector<SlotNr> old_slots = judged ? DD_TRY(copy_kept(*judged)) : std::vector<SlotNr>{};
  // What was read may so far be in caches only; nothing may be granted on the strength of it before
  // it is durable.
  if (is_split) DD_TRY(snapstore.flush());
  DD_TRY(metadata.flush());
  // A cut between the copies left an older one, and what it names is about to be reused: were the
  // newer one torn by the next cut, nothing would be left (S3).
  if (stale_superblock_copy)
    DD_TRY(write_superblock_copy(metadata, superblock, *stale_superblock_copy));
  journal.start_new_chain(random);
  ++superblock.generation;
  // A mark goes with the checkpoint that draws its consequences, and on the data device only
  // after that.
  if (is_split) DD_TRY(write_superblock(snapstore, data_superblock(superblock)));
  const bool had_mark = superblock.closed != ClosedMark::kNone;
  if (options.must_resume) resume();
  DD_TRY(checkpoint());
  if (is_split && had_mark) DD_TRY(write_superblock(snapstore, data_superblock(superblock)));
  for (const SlotNr slot : old_slots) slots.mark_free(slot.value);
  return note_origin_size();
}

Status SnapStore::Impl::load_manifest() {
  const std::vector<std::byte> bytes = DD_TRY(
      read_blob(metadata, layout(), facts.uuid, MetadataType::kManifest, superblock.manifest));
  state = DD_TRY(decode_manifest(bytes));
  for (auto& [epoch, boundary] : state.boundaries) {
    if (!boundary.map_is_keys) {
      const auto map =
          read_blob(metadata, layout(), facts.uuid, MetadataType::kChangeMap, boundary.map_blob);
      if (!map) return with_context("change map of " + boundary.tag, map.error());
      DD_TRY(decode_change_map(*map, boundary));
    }
    for (Table* table : {boundary.table.get(), boundary.private_table.get()})
      if (table)
        if (const Status loaded = load_table(*table); !loaded)
          return with_context("table of " + boundary.tag, loaded.error());
  }
  state.rebuild_derived();
  derive_used_blocks();
  return {};
}

Status SnapStore::Impl::load_table(Table& table) {
  for (RunGroup& group : table.groups) {
    group.id = next_group_id++;
    for (Run& run : group.runs) {
      const std::uint64_t end_block =
          std::uint64_t{run.object_first_block} +
          (std::uint64_t{run.first_entry} + run.entry_count - 1) / kRunEntriesPerBlock;
      if (end_block >= layout().table_blocks)
        return fail(ErrorCode::kDamaged, "a run is said to lie outside the table region");
      DD_TRY(index_run(run, metadata, layout(), facts.uuid, [&](const ChunkException& entry) {
        table.note_key(entry);  // the first group that has a chunk wins
        return Status{};
      }));
    }
  }
  table.keys.runOptimize();
  return {};
}

// The last record, if it had to be judged.
Result<std::optional<CopiedOutOp>> SnapStore::Impl::replay_journal() {
  std::optional<CopiedOutOp> last;
  const auto replayed =
      DD_TRY(journal.replay(superblock.journal, [&](std::span<const std::byte> bytes) -> Status {
        last.reset();
        for (const Operation& operation : DD_TRY(decode_operations(bytes))) {
          // Free space is derived afterwards; what the replay sets free is of no interest.
          Freed ignored;
          DD_TRY(state.apply(operation, ignored));
          if (const auto* copied = std::get_if<CopiedOutOp>(&operation)) last = *copied;
        }
        return {};
      }));
  if (!last || replayed.is_last_proven) return std::nullopt;
  DD_TRY(judge(*last));
  return last;
}

// S2: the flush of the last record may never have happened, so each of its copy-outs is judged by
// itself.
Status SnapStore::Impl::judge(const CopiedOutOp& last) {
  const Boundary* holder = state.find(last.table);
  if (!holder || !holder->is_live() || !state.find(last.boundary))
    return fail(ErrorCode::kDamaged, "a journal record removes what it copies out for");
  AlignedBuffer buffer(facts.geometry.chunk_bytes());
  for (const auto& [chunk, exception] : last.exceptions) {
    if (!exception.has_slot()) continue;  // the record itself holds all there is
    if (exception.slot.value >= layout().slot_count)
      return fail(ErrorCode::kDamaged, "a journal record names a slot beyond the snapstore");
    if (read_slot(exception, buffer.span())) continue;
    if (is_at_origin(chunk, exception.hash, buffer.span())) {
      state.forget_copy_out(last.table, last.boundary, chunk);
      continue;
    }
    findings.push_back(
        fmt::format("chunk {} of snapshot {} and older ones is damaged: its slot {} "
                    "does not hold what was copied out (S2)",
                    chunk.value, holder->tag, exception.slot.value));
  }
  return {};
}

// Whether the origin can be read and still holds what was copied out.
bool SnapStore::Impl::is_at_origin(ChunkNr chunk, ChunkHash hash, std::span<std::byte> into) {
  const ByteRange bytes = facts.geometry.bytes_of(chunk);
  std::fill(into.begin(), into.end(), std::byte{0});
  return origin.read_at(bytes.offset_bytes, into.first(bytes.length_bytes)) &&
         hash_chunk(into) == hash;
}

// Whether the slot can be read and holds what was copied out.
bool SnapStore::Impl::read_slot(const Exception& exception, std::span<std::byte> into) {
  return snapstore.read_at(layout().slot_offset_bytes(exception.slot), into) &&
         hash_chunk(into) == exception.hash;
}

// What was judged and kept is copied to other slots: after a failed flush a cache may show as clean
// what the device never got (S10). Not over itself, where a torn sector would end it. The old
// slots, which are returned, stay as they are until the checkpoint that names the new ones is
// durable. A full store has no other slots: there a chunk that is still at the origin is written
// over itself, since the origin tells what a torn one held; one that is not was granted, so its
// flush had succeeded.
Result<std::vector<SlotNr>> SnapStore::Impl::copy_kept(const CopiedOutOp& last) {
  std::vector<SlotNr> old_slots;
  AlignedBuffer buffer(facts.geometry.chunk_bytes());
  AlignedBuffer at_origin(facts.geometry.chunk_bytes());
  Table& table = *state.find(last.table)->table;
  for (const auto& [chunk, exception] : last.exceptions) {
    const auto kept = table.recent.find(chunk.value);
    if (!exception.has_slot() || kept == table.recent.end()) continue;
    if (!read_slot(exception, buffer.span())) continue;  // found damaged, and said so
    const auto slot = slots.allocate();
    if (!slot) {
      if (is_at_origin(chunk, exception.hash, at_origin.span()))
        DD_TRY(snapstore.write_at(layout().slot_offset_bytes(exception.slot), buffer.span()));
      continue;
    }
    DD_TRY(snapstore.write_at(layout().slot_offset_bytes({*slot}), buffer.span()));
    kept->second.slot = {*slot};
    old_slots.push_back(exception.slot);
  }
  return old_slots;
}

Status SnapStore::Impl::derive_used_slots() {
  for (const auto& [epoch, boundary] : state.boundaries)
    for (const Table* table : {boundary.table.get(), boundary.private_table.get()})
      if (table)
        if (const Status derived = derive_used_slots(*table); !derived)
          return with_context("table of " + boundary.tag, derived.error());
  return {};
}

Status SnapStore::Impl::derive_used_slots(const Table& table) {
  const auto mark = [&](const Exception& exception) -> Status {
    if (!exception.has_slot()) return {};
    if (exception.slot.value >= layout().slot_count || !slots.mark_used(exception.slot.value))
      return fail(ErrorCode::kDamaged,
                  fmt::format("slot {} is named twice or does not exist", exception.slot.value));
    return {};
  };
  Roaring seen;
  for (const auto& [chunk, exception] : table.recent) {
    seen.add(chunk);
    DD_TRY(mark(exception));
  }
  for (const RunGroup& group : table.groups) {
    for (const Run& run : group.runs) {
      RunCursor cursor(run, metadata, layout(), facts.uuid);
      while (const auto entry = DD_TRY(cursor.peek())) {
        if (seen.addChecked(entry->chunk.value)) DD_TRY(mark(entry->exception));
        cursor.advance();
      }
    }
  }
  return {};
}

Status SnapStore::Impl::note_origin_size() {
  const std::uint64_t now_bytes = origin.size_bytes();
  if (now_bytes == state.origin_bytes) return {};
  if (now_bytes < state.origin_bytes)
    return fail(
        ErrorCode::kUsage,
        fmt::format("{}: the origin is smaller ({} bytes) than when it was last served ({})",
                    origin.name(), now_bytes, state.origin_bytes));
  return commit(ResizeOriginOp{now_bytes});
}

}  // namespace ddsnap
