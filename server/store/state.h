// All that a store knows: boundaries with their tables and change maps, and attachments. One
// apply() serves live and replayed commits.
//
// Shape     Boundaries by epoch. A live snapshot has a table; as long as the table's keys and the
// change map are the same set, they are
//           one set (map_is_keys), which is always so until bookmarks come into play.
// Errors    apply: kDamaged when an operation does not fit the state (a journal that lies); a live
// caller has checked before. Threads   None inside. Source    DESIGN.md section 3, "epoch tables".
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <roaring/roaring.hh>
#include <string>
#include <unordered_map>
#include <vector>

#include "server/store/blob.h"
#include "server/store/live_index.h"
#include "server/store/operations.h"
#include "server/store/reclaim.h"
#include "server/store/table.h"

namespace ddsnap {

struct Boundary {
  Epoch epoch;
  Uuid uuid;
  std::string tag;
  BoundaryKind kind = BoundaryKind::kLive;
  bool is_dropping = false;
  std::int8_t priority = 0;
  std::uint32_t use_count = 0;
  std::uint64_t created_ns = 0;
  std::uint64_t size_bytes = 0;

  std::unique_ptr<Table> table;          // live only
  std::unique_ptr<Table> private_table;  // of a live snapshot that was written
  bool map_is_keys = false;
  ChunkSet map;           // unless map_is_keys
  ChunkSet private_keys;  // a bookmark's: what P held when the data was given up; counts in lists
                          // *from* it
  BlobRef map_blob;       // where map and private_keys were last written
  bool is_map_dirty = false;
  bool is_map_incomplete = false;  // something was written that it does not have (S10, T11)
  bool is_missing_stored = false;  // the blob holds what the tables miss, too

  bool is_live() const { return kind == BoundaryKind::kLive; }
  const ChunkSet& change_map() const { return map_is_keys ? table->keys : map; }
  bool has_missing() const;
  // Gives the change map a bitmap of its own before it and the table's keys part. A boundary that
  // misses something always has one: its blob keeps what is missing, too.
  void own_map();
  const ChunkSet& written_keys() const;
  // Slots that its tables name.
  std::uint64_t slots_held() const;
  BoundaryFacts facts() const;
};

class State {
 public:
  std::map<std::uint64_t, Boundary> boundaries;  // by epoch
  std::vector<Attachment> attachments;           // ascending ids
  std::uint64_t next_epoch = 1;
  Epoch last_created;
  std::uint32_t next_attachment_id = 1;
  std::uint64_t origin_bytes = 0;
  StepDown step_down;
  StoreSettings settings;
  std::optional<std::uint64_t> origin_digest;  // of the origin as its last target left it (T11)

  Status apply(const Operation& operation, Freed& freed);

  Boundary* find(Epoch epoch);
  const Boundary* find(Epoch epoch) const;
  const Boundary* find(const std::string& tag) const;
  Boundary* newest();
  const Boundary* newest() const;
  Epoch newest_live() const { return live_.newest(); }
  const LiveIndex& live() const { return live_; }
  std::size_t recent_entries() const { return recent_entries_; }

  // Which slots remove would free by the tables' bitmaps alone.
  std::uint64_t slots_freed_by_removing(const Boundary& boundary) const;

  // Recovery's judgement: the copy-out was never granted, so it never was.
  void forget_copy_out(Epoch table, Epoch boundary, ChunkNr chunk);
  // All live snapshots, as if a target still read each of them (T6).
  void give_up_all();
  // After the boundaries were filled from a manifest.
  void rebuild_derived();
  // A checkpoint put every recent entry into runs.
  void all_spilled() { recent_entries_ = 0; }

 private:
  Status apply_one(const CopiedOutOp& op, Freed& freed);
  Status apply_one(const ChangedOp& op, Freed& freed);
  Status apply_one(const PrivateOp& op, Freed& freed);
  Status apply_one(const CreateOp& op, Freed& freed);
  Status apply_one(const RemoveOp& op, Freed& freed);
  Status apply_one(const MarkDroppingOp& op, Freed& freed);
  Status apply_one(const SetPriorityOp& op, Freed& freed);
  Status apply_one(const SetUseCountOp& op, Freed& freed);
  Status apply_one(const AttachOp& op, Freed& freed);
  Status apply_one(const DetachOp& op, Freed& freed);
  Status apply_one(const ResizeOriginOp& op, Freed& freed);
  Status apply_one(const StepDownOp& op, Freed& freed);
  Status apply_one(const SetSettingsOp& op, Freed& freed);
  Status apply_one(const LoseTrackOp& op, Freed& freed);
  Status apply_one(const SealOriginOp& op, Freed& freed);

  Result<Boundary*> find_live(Epoch epoch);
  // The parts of removing a live snapshot's data.
  void fold_table(Boundary& from, Boundary& into, Freed& freed);
  void join_change_map(Boundary& removed);
  static void free_table(Table& table, Freed& freed);
  void rest_newest_table();
  void count_recent();

  LiveIndex live_;
  std::unordered_map<std::string, std::uint64_t> epoch_of_tag_;
  std::size_t recent_entries_ = 0;
};

}  // namespace ddsnap
