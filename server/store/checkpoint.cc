// Checkpoints: recent entries become runs, dirty change maps are written, a new manifest names it
// all, a superblock names the manifest, which is there twice; then, and only then, journal and
// blocks of the old one are free (S3).
#include "server/store/snap_store_impl.h"

namespace ddsnap {

namespace {

// Everything that a checkpoint is going to write, with the space it took, so that it can be given
// back.
struct Writing {
  Planned planned;
  std::array<BlobRef, 2> manifests;
  std::vector<PlannedBlocks> blocks;

  void give_back(SpaceMap& space) const {
    for (const PlannedBlocks& written : blocks)
      for (const auto& extent : written.extents)
        for (std::uint32_t i = 0; i < extent.count; ++i) space.mark_free(extent.first + i);
  }
};

Status plan_spill(SnapStore::Impl& store, Writing& writing) {
  std::vector<const Table*> tables;
  std::vector<RunSection> sections;
  for (const auto& [epoch, boundary] : store.state.boundaries)
    for (const Table* table : {boundary.table.get(), boundary.private_table.get()}) {
      if (!table || table->recent.empty()) continue;
      tables.push_back(table);
      sections.push_back(table->sorted_recent());
    }
  if (sections.empty()) return {};
  PlannedRuns plan = DD_TRY(plan_runs(sections, store.facts.uuid, store.next_owner, store.blocks));
  for (std::size_t i = 0; i < plan.runs.size(); ++i)
    writing.planned.spilled[tables[plan.section_of_run[i]]].runs.push_back(plan.runs[i]);
  for (PlannedBlocks& blocks : plan.blocks) writing.blocks.push_back(std::move(blocks));
  return {};
}

Result<BlobRef> plan_map(SnapStore::Impl& store, Writing& writing,
                         std::span<const std::byte> bytes) {
  PlannedBlob plan = DD_TRY(plan_blob(bytes, {MetadataType::kChangeMap, store.next_owner++},
                                      store.facts.uuid, store.blocks));
  writing.blocks.push_back(std::move(plan.blocks));
  return plan.ref;
}

Status plan_maps(SnapStore::Impl& store, Writing& writing) {
  for (auto& [epoch, boundary] : store.state.boundaries) {
    if (boundary.map_is_keys || !boundary.is_map_dirty) continue;
    boundary.map.rest();
    writing.planned.maps[epoch] = DD_TRY(plan_map(store, writing, encode_change_map(boundary)));
  }
  return {};
}

Status plan_all(SnapStore::Impl& store, Writing& writing) {
  DD_TRY(plan_spill(store, writing));
  DD_TRY(plan_maps(store, writing));
  const ObjectId object{MetadataType::kManifest, store.next_owner};
  store.next_owner += writing.manifests.size();
  auto manifests = DD_TRY(plan_two_blobs(encode_manifest(store.state, writing.planned), object,
                                         store.facts.uuid, store.blocks));
  for (std::size_t i = 0; i < manifests.size(); ++i) {
    writing.manifests[i] = std::move(manifests[i].ref);
    writing.blocks.push_back(std::move(manifests[i].blocks));
  }
  return {};
}

// The state as the manifest tells it: what was recent is in runs now.
void adopt(SnapStore::Impl& store, Planned& planned) {
  const Epoch open = store.state.newest_live();
  for (auto& [epoch, boundary] : store.state.boundaries) {
    for (Table* table : {boundary.table.get(), boundary.private_table.get()}) {
      if (!table) continue;
      if (boundary.epoch != open) table->rest();
      const auto spilled = planned.spilled.find(table);
      if (spilled == planned.spilled.end()) continue;
      spilled->second.id = store.next_group_id++;
      table->groups.insert(table->groups.begin(), std::move(spilled->second));
      table->spilled();
    }
    if (const auto map = planned.maps.find(epoch); map != planned.maps.end()) {
      boundary.map_blob = std::move(map->second);
      boundary.is_map_dirty = false;
    }
    store.note_merge_candidate(boundary);
  }
  store.state.all_spilled();
}

}  // namespace

Status SnapStore::Impl::checkpoint(Layout next_layout) {
  if (failed) return std::unexpected(*failed);
  Writing writing;
  if (const Status planned = plan_all(*this, writing); !planned) {
    writing.give_back(blocks);
    return planned;
  }
  std::vector<IoRequest> requests;
  for (const PlannedBlocks& written : writing.blocks) written.add_requests(layout(), requests);
  DD_TRY(write_durably(metadata, requests));

  Superblock next = superblock;
  next.sequence = superblock.sequence + 1;
  next.layout = next_layout;
  next.journal = journal.position();
  next.manifests = writing.manifests;
  if (const Status written = write_superblock_durably(next); !written)
    return fail_for_good(metadata, written.error());
  superblock = next;
  journal.released();
  adopt(*this, writing.planned);
  derive_used_blocks();
  count_checkpoint_need();
  return {};
}

Status SnapStore::Impl::write_superblock_durably(const Superblock& next) {
  if (write_superblock(metadata, next)) return {};
  const Status again = write_superblock(metadata, next);
  if (again) ++repeated_writes;
  return again;
}

void SnapStore::Impl::derive_used_blocks() {
  SpaceMap used(layout().table_blocks);
  const auto mark = [&](std::uint64_t first, std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) used.mark_used(static_cast<std::uint32_t>(first + i));
  };
  const auto mark_groups = [&](const std::vector<RunGroup>& groups) {
    for (const RunGroup& group : groups)
      for (const Run& run : group.runs)
        mark(std::uint64_t{run.object_first_block} + run.first_block_index(),
             run.last_block_index() - run.first_block_index() + 1);
  };
  for (const BlobRef& manifest : superblock.manifests)
    for (const auto& extent : manifest.extents) mark(extent.first, extent.count);
  for (const auto& [epoch, boundary] : state.boundaries) {
    if (boundary.table) mark_groups(boundary.table->groups);
    if (boundary.private_table) mark_groups(boundary.private_table->groups);
    if (!boundary.map_is_keys)
      for (const auto& extent : boundary.map_blob.extents) mark(extent.first, extent.count);
  }
  for (const Reclaim& reclaim : reclaims) mark_groups(reclaim.groups);
  used.continue_after(blocks);
  blocks = std::move(used);
}

}  // namespace ddsnap
