// Opening a store: read what the manifest names, replay the journal, judge its last record, derive
// free space, and make the result the new starting point (S2, S3, S7). Until the new superblock is
// durable nothing that the old one names is touched, so recovery may itself be cut off at any
// point.
#include <fmt/format.h>

#include "server/store/salvage.h"
#include "server/store/snap_store_impl.h"

namespace ddsnap {

namespace {

std::size_t choose_spill_entries(const Layout& layout, std::size_t wanted) {
  if (wanted != 0) return wanted;
  const std::uint64_t capacity = layout.table_blocks * kRunEntriesPerBlock;
  return std::clamp<std::uint64_t>(capacity / 16, 512, 1u << 17);
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
  std::optional<SuperblockRead> data;
  if (devices.metadata) data = DD_TRY(check_data_device(devices.snapstore, read.superblock));
  auto impl = std::make_unique<Impl>(devices, options, random, read.superblock);
  if (options.was_closed) impl->superblock.closed = ClosedMark::kOriginWentOn;
  if (impl->superblock.closed != ClosedMark::kNone && !options.must_resume)
    return closed(metadata, impl->superblock);
  impl->findings = read.findings;
  impl->stale_superblock_copies = read.stale_copies;
  if (data) {
    impl->findings.insert(impl->findings.end(), data->findings.begin(), data->findings.end());
    impl->stale_data_copies = data->stale_copies;
  }
  Status recovered = impl->load();
  if (recovered) recovered = impl->start_anew(options);
  if (!recovered && recovered.error().code == ErrorCode::kDamaged)
    recovered = fail(ErrorCode::kDamaged,
                     recovered.error().text + "; see 'ddsnap check' and 'ddsnap repair'");
  if (!recovered) return with_context(metadata.name(), recovered.error());
  impl->note_known_losses();
  return std::unique_ptr<SnapStore>(new SnapStore(std::move(impl)));
}

Status SnapStore::Impl::load() {
  DD_TRY(load_manifest());
  DD_TRY(replay_journal());
  return derive_used_slots();
}

Status SnapStore::Impl::start_anew(const Options& options) {
  const std::vector<SlotNr> old_slots = judged ? DD_TRY(copy_kept(*judged)) : std::vector<SlotNr>{};
  // What was read may so far be in caches only; nothing may be granted on the strength of it before
  // it is durable.
  if (is_split) DD_TRY(snapstore.flush());
  DD_TRY(metadata.flush());
  // A cut between the copies left older ones, and what they name is about to be reused: were the
  // newer one torn by the next cut, nothing would be left (S3).
  for (const int copy : stale_superblock_copies)
    DD_TRY(write_superblock_copy(metadata, superblock, copy));
  journal.start_new_chain(random);
  ++superblock.generation;
  // A mark goes with the checkpoint that draws its consequences, and on the data device only
  // after that.
  if (is_split) {
    for (const int copy : stale_data_copies)
      DD_TRY(write_superblock_copy(snapstore, data_superblock(superblock), copy));
    DD_TRY(write_superblock(snapstore, data_superblock(superblock)));
  }
  const bool had_mark = superblock.closed != ClosedMark::kNone;
  if (options.must_resume) resume();
  DD_TRY(checkpoint());
  if (is_split && had_mark) DD_TRY(write_superblock(snapstore, data_superblock(superblock)));
  for (const SlotNr slot : old_slots) slots.mark_free(slot.value);
  return note_origin_size();
}

// Either copy will do; who looks for damage reads both.
Result<State> SnapStore::Impl::read_manifest() {
  std::optional<State> found;
  std::optional<Error> first_error;
  for (std::size_t copy = 0; copy < superblock.manifests.size(); ++copy) {
    if (found && !salvage) break;
    const auto bytes = read_blob(metadata, layout(), facts.uuid, MetadataType::kManifest,
                                 superblock.manifests[copy]);
    auto decoded = bytes ? decode_manifest(*bytes) : std::unexpected(bytes.error());
    if (decoded) {
      if (!found) found = std::move(*decoded);
      continue;
    }
    if (decoded.error().code != ErrorCode::kDamaged && decoded.error().code != ErrorCode::kIo)
      return decoded;
    findings.push_back(
        fmt::format("copy {} of the manifest cannot be used: {}", copy, decoded.error().message()));
    if (salvage) note_damage(DamageKind::kManifest, findings.back());
    if (!first_error) first_error = decoded.error();
  }
  if (!found) return with_context("manifest", *first_error);
  return std::move(*found);
}

Status SnapStore::Impl::load_manifest() {
  state = DD_TRY(read_manifest());
  if (origin.size_bytes() == 0) facts.geometry.volume_bytes = state.origin_bytes;  // for a check
  std::vector<Epoch> lost_maps;
  for (auto& [epoch, boundary] : state.boundaries) {
    if (!boundary.map_is_keys) {
      const auto map =
          read_blob(metadata, layout(), facts.uuid, MetadataType::kChangeMap, boundary.map_blob);
      const Status read = map ? decode_change_map(*map, boundary) : std::unexpected(map.error());
      if (!read && !may_give_up(read.error()))
        return with_context("change map of " + boundary.tag, read.error());
      if (!read) {
        note_damage(DamageKind::kChangeMap,
                    "change map of " + boundary.tag + ": " + read.error().message());
        boundary.map_blob = {};
        lost_maps.push_back({epoch});
      }
    }
    for (Table* table : {boundary.table.get(), boundary.private_table.get()})
      if (table)
        if (const Status loaded = load_table(*table, boundary.tag); !loaded)
          return with_context("table of " + boundary.tag, loaded.error());
  }
  derive_used_blocks();
  if (salvage) {
    lose_change_maps(lost_maps);
    for (auto& [epoch, boundary] : state.boundaries) keep_losses(boundary);
  }
  state.rebuild_derived();
  return {};
}

Status SnapStore::Impl::load_table(Table& table, const std::string& name) {
  const Roaring missing_before = table.missing;
  for (RunGroup& group : table.groups) {
    group.id = next_group_id++;
    std::vector<Run> kept;
    for (const Run& run : group.runs) {
      std::vector<Run> loaded = DD_TRY(load_run(table, run, name));
      kept.insert(kept.end(), loaded.begin(), loaded.end());
    }
    group.runs = std::move(kept);
  }
  table.lose(missing_before);
  table.rest();
  return {};
}

// The run with its index, or what is left of it.
Result<std::vector<Run>> SnapStore::Impl::load_run(Table& table, Run run, const std::string& name) {
  Status read = check_run_place(run, layout());
  if (!read && !salvage) return std::unexpected(read.error());
  const Table before = salvage ? Table{table.keys, table.slotless, table.lost} : Table{};
  if (read)
    read = index_run(run, metadata, layout(), facts.uuid, [&](const ChunkException& entry) {
      table.note_key(entry);  // the first group that has a chunk wins
      return Status{};
    });
  if (read) return std::vector<Run>{run};
  if (!may_give_up(read.error())) return std::unexpected(read.error());
  table.keys = before.keys;
  table.slotless = before.slotless;
  table.lost = before.lost;
  SalvagedRun salvaged = salvage_run(run, metadata, layout(), facts.uuid,
                                     [&](const ChunkException& entry) { table.note_key(entry); });
  for (const SalvagedRun::Hole& hole : salvaged.holes) lose_hole(table, hole, name);
  return std::move(salvaged.pieces);
}

Status SnapStore::Impl::replay_journal() {
  const auto replayed = DD_TRY(journal.replay(
      superblock.journal,
      [&](std::span<const std::byte> operations) { return replay_record(operations); },
      [&](const Error& error) -> Status {
        if (!may_give_up(error)) return std::unexpected(error);
        lose_record(error);
        return {};
      }));
  if (replayed.halved_records != 0) {
    findings.push_back(
        fmt::format("{} journal records are in one of their two places only, the "
                    "first: {}",
                    replayed.halved_records, replayed.first_halved));
    if (salvage) note_damage(DamageKind::kJournal, findings.back());
  }
  if (replayed.is_last_proven) judged.reset();
  if (judged) DD_TRY(judge(*judged));
  return {};
}

Status SnapStore::Impl::replay_record(std::span<const std::byte> bytes) {
  judged.reset();
  const auto operations = decode_operations(bytes);
  if (!operations && !may_give_up(operations.error())) return std::unexpected(operations.error());
  if (!operations) {
    lose_record(operations.error());
    return {};
  }
  for (const Operation& operation : *operations) {
    if (has_lost_records) {
      apply_behind_lost(operation);
      continue;
    }
    // Free space is derived afterwards; what the replay sets free is of no interest.
    Freed ignored;
    const Status applied = state.apply(operation, ignored);
    if (!applied && !may_give_up(applied.error())) return applied;
    if (!applied) lose_record(applied.error());
    if (const auto* copied = std::get_if<CopiedOutOp>(&operation); applied && copied)
      judged = *copied;
  }
  return {};
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
    if (origin.size_bytes() == 0)
      return fail(ErrorCode::kUsage,
                  "the last record of the journal must be judged by the origin: name it, too");
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
  slots = SpaceMap(layout().slot_count);
  for (auto& [epoch, boundary] : state.boundaries) {
    for (Table* table : {boundary.table.get(), boundary.private_table.get()})
      if (table)
        if (const Status derived = derive_used_slots(*table); !derived)
          return with_context("table of " + boundary.tag, derived.error());
    if (salvage) keep_losses(boundary);
  }
  return {};
}

Status SnapStore::Impl::derive_used_slots(Table& table) {
  Roaring wrong;
  const auto mark = [&](std::uint32_t chunk, const Exception& exception) -> Status {
    if (!exception.has_slot()) return {};
    if (exception.slot.value < layout().slot_count && slots.mark_used(exception.slot.value))
      return {};
    Error error = fail(ErrorCode::kDamaged, fmt::format("slot {} is named twice or does not exist",
                                                        exception.slot.value))
                      .error();
    if (!salvage) return std::unexpected(error);
    note_damage(DamageKind::kTable, fmt::format("chunk {}: {}", chunk, error.message()));
    wrong.add(chunk);
    return {};
  };
  Roaring seen = table.missing;
  for (const auto& [chunk, exception] : table.recent) {
    seen.add(chunk);
    DD_TRY(mark(chunk, exception));
  }
  for (const RunGroup& group : table.groups) {
    for (const Run& run : group.runs) {
      RunCursor cursor(run, metadata, layout(), facts.uuid);
      while (const auto entry = DD_TRY(cursor.peek())) {
        if (seen.addChecked(entry->chunk.value)) DD_TRY(mark(entry->chunk.value, entry->exception));
        cursor.advance();
      }
    }
  }
  if (!wrong.isEmpty()) table.lose(wrong);
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
  facts.grown_from_bytes = state.origin_bytes;
  return commit(ResizeOriginOp{now_bytes});
}

}  // namespace ddsnap
