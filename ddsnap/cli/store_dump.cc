#include "ddsnap/cli/store_dump.h"

#include <fmt/format.h>

#include <optional>

#include "ddsnap/base/size_text.h"
#include "ddsnap/cli/store_json.h"
#include "server/store/journal_record.h"
#include "server/store/manifest.h"
#include "server/store/salvage.h"
#include "server/store/superblock.h"
#include "server/store/superblock_search.h"

namespace ddsnap {

namespace {

using nlohmann::ordered_json;

class StoreDumper {
 public:
  StoreDumper(BlockDevice& metadata, const DumpOptions& options, JsonWriter& out)
      : metadata_(metadata), options_(options), out_(out) {}

  Result<bool> dump() {
    std::vector<Result<Superblock>> copies = {read_superblock_copy(metadata_, 0),
                                              read_superblock_copy(metadata_, 1)};
    choose_superblock(copies);
    if (superblock_ && superblock_->role == StoreRole::kMetadata) {
      const Layout layout = superblock_->layout;
      copies.push_back(read_superblock_copy(metadata_, 2, layout));
      choose_superblock(copies);
    }
    if (!superblock_) {
      const auto found = DD_TRY(find_third_superblock(metadata_, false));
      if (found) copies.push_back(found->superblock);
      choose_superblock(copies);
    }
    if (!superblock_) {
      const bool is_none = copies[0].error().code == ErrorCode::kNotInitialized;
      const Error& error = copies[is_none ? 1 : 0].error();
      if (error.code != ErrorCode::kDamaged) return with_context(metadata_.name(), error);
    }
    out_.begin_object();
    out_.value("device", metadata_.name());
    out_.value("device_bytes", metadata_.size_bytes());
    dump_superblocks(copies);
    if (superblock_ && superblock_->role == StoreRole::kData)
      out_.value("note", "the metadata lies on another device");
    else if (superblock_ && check_place())
      dump_all();
    out_.value("damage", damage_);
    out_.end();
    return damage_.empty();
  }

 private:
  const Layout& layout() const { return superblock_->layout; }

  void choose_superblock(const std::vector<Result<Superblock>>& copies) {
    for (const Result<Superblock>& copy : copies)
      if (copy && (!superblock_ || copy->sequence > superblock_->sequence)) superblock_ = *copy;
  }

  ordered_json damaged(const std::string& where, const Error& error) {
    damage_.push_back(where + ": " + error.message());
    return error.message();
  }

  void dump_superblocks(const std::vector<Result<Superblock>>& copies) {
    out_.begin_array("superblocks");
    for (std::size_t i = 0; i < copies.size(); ++i) {
      const Layout placed = superblock_ ? superblock_->layout : Layout{};
      ordered_json json = {{"copy", i},
                           {"offset_bytes", placed.superblock_offset_bytes(static_cast<int>(i))}};
      if (copies[i])
        json.update(to_json(*copies[i]));
      else
        json["error"] = damaged(fmt::format("superblock copy {}", i), copies[i].error());
      out_.value(json);
    }
    out_.end();
  }

  bool check_place() {
    const auto placed = check_metadata_layout(layout(), metadata_);
    if (!placed) damaged("layout", placed.error());
    return placed.has_value();
  }

  void dump_all() {
    dump_manifest();
    dump_journal();
  }

  void dump_manifest() {
    std::optional<State> state;
    std::string error;
    for (std::size_t copy = 0; copy < superblock_->manifests.size(); ++copy) {
      const auto bytes = read_blob(metadata_, layout(), superblock_->store, MetadataType::kManifest,
                                   superblock_->manifests[copy]);
      auto decoded = bytes ? decode_manifest(*bytes) : std::unexpected(bytes.error());
      if (!decoded)
        error = damaged(fmt::format("copy {} of the manifest", copy), decoded.error());
      else if (!state)
        state = std::move(*decoded);
    }
    if (!state) {
      out_.value("manifest", {{"error", error}});
      return;
    }
    out_.value("manifest", {{"boundaries", state->boundaries.size()},
                            {"next_epoch", state->next_epoch},
                            {"last_created_epoch", state->last_created.value},
                            {"origin_bytes", state->origin_bytes},
                            {"next_attachment_id", state->next_attachment_id}});
    out_.begin_array("boundaries");
    for (const auto& [epoch, boundary] : state->boundaries) dump_boundary(boundary);
    out_.end();
    out_.begin_array("attachments");
    for (const Attachment& attachment : state->attachments) out_.value(to_json(attachment));
    out_.end();
  }

  void dump_boundary(const Boundary& boundary) {
    out_.begin_object();
    out_.value("epoch", boundary.epoch.value);
    out_.value("uuid", boundary.uuid.to_string());
    out_.value("tag", boundary.tag);
    out_.value("kind", kind_name(boundary.kind));
    out_.value("is_dropping", boundary.is_dropping);
    out_.value("priority", boundary.priority);
    out_.value("use_count", boundary.use_count);
    out_.value("created", utc_time(boundary.created_ns));
    out_.value("created_ns", boundary.created_ns);
    out_.value("size_bytes", boundary.size_bytes);
    dump_map(boundary);
    if (boundary.table) dump_table("table", boundary.tag, *boundary.table);
    if (boundary.private_table) dump_table("private_table", boundary.tag, *boundary.private_table);
    out_.end();
  }

  void dump_map(const Boundary& boundary) {
    if (boundary.map_is_keys) {
      out_.value("change_map", "the chunks of the table");
      return;
    }
    ordered_json json = {{"owner", hex_text(boundary.map_blob.owner)},
                         {"bytes", boundary.map_blob.size_bytes},
                         {"extents", to_json(boundary.map_blob.extents)}};
    Boundary decoded;
    decoded.is_missing_stored = boundary.is_missing_stored;
    decoded.table = std::make_unique<Table>();
    decoded.private_table = std::make_unique<Table>();
    const auto bytes = read_blob(metadata_, layout(), superblock_->store, MetadataType::kChangeMap,
                                 boundary.map_blob);
    const Status read = bytes ? decode_change_map(*bytes, decoded) : std::unexpected(bytes.error());
    if (read) {
      json["chunks"] = decoded.map.cardinality();
      json["chunk_ranges"] = ranges_to_json(decoded.map.bitmap());
      json["private_key_ranges"] = ranges_to_json(decoded.private_keys.bitmap());
      if (decoded.is_missing_stored) {
        json["missing_ranges"] = ranges_to_json(decoded.table->missing);
        json["missing_private_ranges"] = ranges_to_json(decoded.private_table->missing);
      }
    } else {
      json["error"] = damaged("change map of " + boundary.tag, read.error());
    }
    out_.value("change_map", json);
  }

  void dump_table(const char* key, const std::string& tag, const Table& table) {
    out_.begin_array(key);
    for (const RunGroup& group : table.groups) {
      out_.begin_array();
      for (const Run& run : group.runs) dump_run(tag, run);
      out_.end();
    }
    out_.end();
  }

  void dump_run(const std::string& tag, const Run& run) {
    out_.begin_object();
    out_.value("owner", hex_text(run.owner));
    out_.value("object_first_block", run.object_first_block);
    out_.value("first_entry", run.first_entry);
    out_.value("entries", run.entry_count);
    out_.value("first_chunk", run.first_chunk.value);
    out_.value("last_chunk", run.last_chunk.value);
    dump_entries(tag, run);
    out_.end();
  }

  void dump_entries(const std::string& tag, const Run& run) {
    SalvagedRun salvaged;
    if (is_whole(run))
      salvaged.pieces.push_back(run);
    else
      salvaged =
          salvage_run(run, metadata_, layout(), superblock_->store, [](const ChunkException&) {});
    for (const SalvagedRun::Hole& hole : salvaged.holes)
      out_.value("error", damaged("table of " + tag, hole.error));
    if (!options_.is_full) return;
    out_.begin_array("exceptions");
    for (const Run& piece : salvaged.pieces) {
      RunCursor cursor(piece, metadata_, layout(), superblock_->store);
      for (auto entry = cursor.peek(); entry && *entry; entry = cursor.peek()) {
        out_.value(to_json(**entry));
        cursor.advance();
      }
    }
    out_.end();
  }

  bool is_whole(const Run& run) {
    Run copy = run;
    if (!check_run_place(run, layout())) return false;
    return index_run(copy, metadata_, layout(), superblock_->store,
                     [](const ChunkException&) { return Status{}; })
        .has_value();
  }

  void dump_journal() {
    const auto rings = JournalRings::read(metadata_, layout(), superblock_->store);
    if (!rings) {
      out_.value("journal", {{"error", damaged("journal", rings.error())}});
      return;
    }
    JournalPosition position = superblock_->journal;
    out_.begin_array("journal");
    bool is_last_halved = false;
    while (const auto record = rings->next(position)) {
      if (is_last_halved)
        damaged("journal", {.code = ErrorCode::kDamaged,
                            .text = fmt::format("record {} is in one of its two places only",
                                                position.last_number)});
      is_last_halved = !rings->is_in_both(*record);
      dump_record(*record);
      position = record->end();
      if (record->is_seal) break;
    }
    const auto later = rings->later_than(position.last_number);
    if (!later.empty())
      damaged("journal", {.code = ErrorCode::kDamaged,
                          .text = fmt::format("record {} is damaged: a later one is there",
                                              position.last_number + 1)});
    for (const JournalRecord& record : later) dump_record(record);
    out_.end();
  }

  void dump_record(const JournalRecord& record) {
    out_.begin_object();
    out_.value("number", record.number);
    out_.value("offset_bytes", record.offset_bytes);
    out_.value("length_bytes", record.length_bytes);
    out_.value("previous_checksum", hex_text(record.previous_checksum));
    out_.value("checksum", hex_text(record.checksum));
    out_.value("is_seal", record.is_seal);
    if (const auto operations = decode_operations(record.operations)) {
      out_.begin_array("operations");
      for (const Operation& operation : *operations)
        out_.value(to_json(operation, options_.is_full));
      out_.end();
    } else {
      out_.value("error",
                 damaged(fmt::format("journal record {}", record.number), operations.error()));
    }
    out_.end();
  }

  BlockDevice& metadata_;
  const DumpOptions options_;
  JsonWriter& out_;
  std::optional<Superblock> superblock_;
  ordered_json damage_ = ordered_json::array();
};

}  // namespace

Result<bool> dump_store(BlockDevice& metadata, const DumpOptions& options, JsonWriter& out) {
  return StoreDumper(metadata, options, out).dump();
}

}  // namespace ddsnap
