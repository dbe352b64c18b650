#include "ddsnap/cli/store_json.h"

#include <fmt/format.h>

#include "ddsnap/base/size_text.h"
#include "server/store/bitmap_ranges.h"

namespace ddsnap {

using nlohmann::ordered_json;

namespace {

ordered_json layout_to_json(const Layout& layout) {
  return {{"chunk_bytes", std::uint64_t{1} << layout.chunk_shift},
          {"journal_unit_bytes", layout.journal_unit_bytes},
          {"journal_offset_bytes", kJournalOffset},
          {"journal_bytes", layout.journal_bytes},
          {"tables_offset_bytes", layout.tables_offset_bytes},
          {"table_blocks", layout.table_blocks},
          {"slots_offset_bytes", layout.slots_offset_bytes},
          {"slot_count", layout.slot_count}};
}

// One operation of a journal record.
struct OperationToJson {
  bool is_full;

  ordered_json operator()(const CopiedOutOp& op) const {
    return with_exceptions({{"operation", "copied out"},
                            {"table_epoch", op.table.value},
                            {"boundary_epoch", op.boundary.value}},
                           op.exceptions);
  }
  ordered_json operator()(const ChangedOp& op) const {
    Roaring chunks;
    for (const ChunkNr chunk : op.chunks) chunks.add(chunk.value);
    return {{"operation", "changed"},
            {"boundary_epoch", op.boundary.value},
            {"chunk_ranges", ranges_to_json(chunks)}};
  }
  ordered_json operator()(const PrivateOp& op) const {
    return with_exceptions({{"operation", "private"}, {"epoch", op.snapshot.value}}, op.exceptions);
  }
  ordered_json operator()(const CreateOp& op) const {
    return {{"operation", "create"},
            {"epoch", op.epoch.value},
            {"uuid", op.boundary.uuid.to_string()},
            {"tag", op.boundary.tag},
            {"created_ns", op.boundary.created_ns},
            {"size_bytes", op.size_bytes},
            {"priority", op.boundary.priority},
            {"is_bookmark", op.boundary.is_bookmark}};
  }
  ordered_json operator()(const RemoveOp& op) const {
    constexpr const char* kKept[] = {"nothing", "bookmark", "dropped"};
    return {{"operation", "remove"},
            {"epoch", op.epoch.value},
            {"keep", kKept[static_cast<std::size_t>(op.keep)]}};
  }
  ordered_json operator()(const MarkDroppingOp& op) const {
    return {{"operation", "mark dropping"}, {"epoch", op.epoch.value}};
  }
  ordered_json operator()(const SetPriorityOp& op) const {
    return {{"operation", "priority"}, {"epoch", op.epoch.value}, {"priority", op.priority}};
  }
  ordered_json operator()(const SetUseCountOp& op) const {
    return {{"operation", "use count"}, {"epoch", op.epoch.value}, {"use_count", op.use_count}};
  }
  ordered_json operator()(const AttachOp& op) const {
    return {{"operation", "attach"}, {"attachment", to_json(op.attachment)}};
  }
  ordered_json operator()(const DetachOp& op) const {
    return {{"operation", "detach"}, {"attachment_id", op.attachment_id}};
  }
  ordered_json operator()(const ResizeOriginOp& op) const {
    return {{"operation", "origin resized"}, {"size_bytes", op.size_bytes}};
  }
  ordered_json operator()(const StepDownOp& op) const {
    return {{"operation", "step down"},
            {"rung", static_cast<std::uint32_t>(op.to.rung)},
            {"why", op.to.why}};
  }
  ordered_json operator()(const SetSettingsOp& op) const {
    return {{"operation", "settings"},
            {"origin_stops", op.settings.on_failure == OnStoreFailure::kOriginStops},
            {"warn_percent", op.settings.warn_percent}};
  }
  ordered_json operator()(const LoseTrackOp& op) const {
    return {{"operation", "lose track"}, {"boundary", op.boundary.value}};
  }
  ordered_json operator()(const SealOriginOp& op) const {
    return {{"operation", "origin digest"}, {"digest", hex_text(op.digest)}};
  }

 private:
  ordered_json with_exceptions(ordered_json json, const std::vector<ChunkException>& all) const {
    json["exception_count"] = all.size();
    if (!is_full) return json;
    ordered_json& list = json["exceptions"] = ordered_json::array();
    for (const ChunkException& entry : all) list.push_back(to_json(entry));
    return json;
  }
};

}  // namespace

std::string hex_text(std::uint64_t value) {
  return fmt::format("{:016x}", value);
}

ordered_json to_json(const std::vector<SpaceMap::Stretch>& extents) {
  ordered_json json = ordered_json::array();
  for (const auto& extent : extents) json.push_back({extent.first, extent.count});
  return json;
}

ordered_json to_json(const Superblock& superblock) {
  return {{"role", superblock.role == StoreRole::kMetadata ? "metadata" : "data"},
          {"store_uuid", superblock.store.to_string()},
          {"sequence", superblock.sequence},
          {"generation", superblock.generation},
          {"created", utc_time(superblock.created_ns)},
          {"created_ns", superblock.created_ns},
          {"layout", layout_to_json(superblock.layout)},
          {"journal_next_offset_bytes", superblock.journal.next_offset_bytes},
          {"journal_last_number", superblock.journal.last_number},
          {"journal_last_checksum", hex_text(superblock.journal.last_checksum)},
          {"manifest_owner", hex_text(superblock.manifests[0].owner)},
          {"manifest_bytes", superblock.manifests[0].size_bytes},
          {"manifest_extents",
           {to_json(superblock.manifests[0].extents), to_json(superblock.manifests[1].extents)}},
          {"closed", static_cast<std::uint32_t>(superblock.closed)},
          {"closed_why", superblock.closed_why}};
}

ordered_json to_json(const Attachment& attachment) {
  return {{"id", attachment.id},
          {"role", attachment.is_origin ? "origin" : "snapshot"},
          {"is_kernel", attachment.is_kernel},
          {"snapshot_epoch", attachment.snapshot.value},
          {"snapshot_uuid", attachment.snapshot_uuid.to_string()},
          {"target_uuid", attachment.target_uuid.to_string()},
          {"boot_id", attachment.boot_id.to_string()},
          {"dm_device_or_pid", attachment.dm_device_or_pid},
          {"label", attachment.label}};
}

ordered_json to_json(const ChunkException& entry) {
  ordered_json slot;  // null: all zeros
  if (entry.exception.is_lost()) slot = "lost";
  if (entry.exception.has_slot()) slot = entry.exception.slot.value;
  return {entry.chunk.value, slot, hex_text(entry.exception.hash.value)};
}

ordered_json ranges_to_json(const Roaring& bitmap) {
  ordered_json ranges = ordered_json::array();
  for_each_range(bitmap, [&](std::uint64_t first, std::uint64_t end) {
    ranges.push_back({first, end - first});
  });
  return ranges;
}

const char* kind_name(BoundaryKind kind) {
  switch (kind) {
    case BoundaryKind::kLive:
      return "live";
    case BoundaryKind::kBookmark:
      return "bookmark";
    case BoundaryKind::kDropped:
      return "dropped";
  }
  return "unknown";
}

ordered_json to_json(const Operation& operation, bool is_full) {
  return std::visit(OperationToJson{is_full}, operation);
}

}  // namespace ddsnap
