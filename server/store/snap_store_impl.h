// The inside of SnapStore, shared by the files that each hold one of its acts: commit, copy_out,
// checkpoint, recovery, background.
//
// Threads   None inside.
// Lifetime  As SnapStore.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "ddsnap/base/aligned_buffer.h"
#include "server/store/block_cache.h"
#include "server/store/damage.h"
#include "server/store/journal.h"
#include "server/store/manifest.h"
#include "server/store/salvage.h"
#include "server/store/snap_store.h"
#include "server/store/space_map.h"
#include "server/store/state.h"
#include "server/store/superblock.h"

namespace ddsnap {

// Records that must still fit after an ordinary commit, so that there is always room to make room
// (S9).
inline constexpr unsigned kSpareRecords = 8;
inline constexpr std::size_t kMaxGroups = 8;  // of a table before it is merged
inline constexpr std::uint32_t kMergeEntriesPerStep = 1u << 17;
inline constexpr std::uint32_t kReclaimChunksPerStep = 4096;
inline constexpr unsigned kMaxSlotRounds = 4;  // of a batch whose slots cannot be written

bool any_failed(const std::vector<IoRequest>& requests);
StepDown make_step_down(Rung rung, const std::string& why);

struct SnapStore::Impl {
  Impl(const StoreDevices& devices, const Options& options, RandomSource& random,
       const Superblock& superblock);

  BlockDevice& snapstore;
  BlockDevice& origin;
  BlockDevice& metadata;
  const bool is_split;  // metadata on a device of its own
  RandomSource& random;
  Superblock superblock;                     // the durable one
  std::vector<int> stale_superblock_copies;  // until recovery has written them anew
  std::vector<int> stale_data_copies;        // the same of the data device, if there is one
  const Layout& layout() const { return superblock.layout; }
  StoreFacts facts;

  State state;
  Journal journal;
  BlockCache cache;
  SpaceMap slots;   // used: named by a table, or waiting in a reclaim
  SpaceMap blocks;  // used: named by the durable manifest, or allocated since
  std::vector<Reclaim> reclaims;
  std::size_t spill_entries;
  std::uint64_t next_owner;
  std::uint64_t next_group_id = 1;
  AlignedBuffer batch_buffer;

  std::vector<std::string> findings;
  std::optional<Error> failed;
  std::optional<Error> slots_failed;
  std::optional<std::string> complaint;
  std::optional<std::string> slot_complaint;  // goes into the next record that copies out
  std::uint64_t repeated_writes = 0;
  std::uint64_t first_writes = 0;
  std::uint64_t batches = 0;
  // What the next checkpoint writes besides recent entries and the newest change map; by the last
  // count, and what came since.
  std::uint64_t manifest_bytes = 0;
  std::uint64_t dirty_map_blocks = 0;

  // A merge that goes in pieces: which groups of which table, and where the output grows.
  struct Merge {
    Epoch epoch;
    bool is_private = false;
    std::uint64_t output_group_id = 0;
    std::vector<std::uint64_t> source_group_ids;
  };
  std::optional<Merge> merge;
  std::set<std::pair<std::uint64_t, bool>> merge_candidates;  // (epoch, is_private)
  bool is_cramped = false;          // the last checkpoint had no room; nothing was removed since
  bool is_reclaim_damaged = false;  // told once

  // ---- commit.cc ----
  // One record, durable with the slot writes before it is applied. `spare_records` must still fit
  // behind it.
  // An error without failed(), and with a failed request among `slot_writes`: only those are at
  // fault, and nothing happened.
  Status commit(const std::vector<Operation>& operations, std::vector<IoRequest>& slot_writes,
                unsigned spare_records);
  Status commit(Operation operation, unsigned spare_records = kSpareRecords);
  Status write_record(std::span<const IoRequest> record, std::vector<IoRequest>& slot_writes);
  Status write_slots(std::vector<IoRequest>& slot_writes);
  // Runs and flushes; the whole once more if that fails (S10). The requests carry how they went.
  Status try_durably(BlockDevice& device, std::vector<IoRequest>& requests);
  // The same; after the second failure the store has failed.
  Status write_durably(BlockDevice& device, std::vector<IoRequest>& requests);
  std::unexpected<Error> fail_for_good(const BlockDevice& device, const Error& error);
  void take(Freed freed);
  // Whether the next checkpoint could want for room (S9).
  bool is_metadata_short() const;
  std::uint64_t blocks_for_checkpoint() const;
  std::uint64_t blocks_kept_free() const;
  void count_checkpoint_need();
  // After one boundary came or went: a bound without counting all; the next checkpoint counts
  // exactly.
  void count_small_change(std::uint64_t map_bytes);
  // Makes a checkpoint where that could help. kNoSpace when metadata stays short.
  Status make_metadata_room();

  // ---- copy_out.cc ----
  // kUsage beyond the end of the origin.
  Status check_chunk(ChunkNr chunk) const;
  Status prepare_writes(std::span<WriteAsk> asks);
  Result<std::vector<SlotNr>> prepare_snapshot_writes(Boundary& snapshot,
                                                      std::span<const ChunkNr> chunks);

  // ---- locate.cc ----
  Result<Location> locate(const Boundary& snapshot, ChunkNr chunk);
  // The snapshot's content of the chunk, zero-padded to a whole one, verified.
  Status read_chunk(const Boundary& snapshot, ChunkNr chunk, std::span<std::byte> into);

  // ---- checkpoint.cc ----
  Status checkpoint() { return checkpoint(layout()); }
  // The superblock that ends it names this layout, whose regions may have grown at their ends.
  Status checkpoint(Layout next_layout);
  // Both copies; the whole once more if that fails.
  Status write_superblock_durably(const Superblock& next);
  // After a durable checkpoint: exactly what the manifest names, and what reclaims still read.
  void derive_used_blocks();

  // ---- recovery.cc ----
  // Only for check and repair: damage is then noted here, and the state is made to know what it
  // lost by it, instead of being an error.
  struct Salvage {
    bool gives_up_unreadable = false;  // a read that fails counts as damage
    std::vector<Damage> found;
    // What check_piece() found, to be given up by a repair: by epoch, and whether it is private.
    std::map<std::pair<std::uint64_t, bool>, Roaring> wrong_slots;
    // Nothing but what is in the slots tells that the snapstore belongs to this metadata.
    bool must_prove_snapstore = false;
    std::uint64_t right_slots = 0;  // that had the content of their hash
  };
  Salvage* salvage = nullptr;
  std::optional<CopiedOutOp> judged;  // the last record, if it had to be judged
  // Reads all metadata; writes nothing.
  Status load();
  // Makes what was loaded durable, and the new starting point.
  Status start_anew(const Options& options);
  // The administrator's order after a fall (S10).
  void resume();
  Result<State> read_manifest();
  Status load_manifest();
  Status load_table(Table& table, const std::string& name);
  Result<std::vector<Run>> load_run(Table& table, Run run, const std::string& name);
  Status replay_journal();
  Status replay_record(std::span<const std::byte> operations);
  Status judge(const CopiedOutOp& last);
  bool is_at_origin(ChunkNr chunk, ChunkHash hash, std::span<std::byte> into);
  bool read_slot(const Exception& exception, std::span<std::byte> into);
  Result<std::vector<SlotNr>> copy_kept(const CopiedOutOp& last);
  Status derive_used_slots();
  Status derive_used_slots(Table& table);
  Status note_origin_size();

  // ---- salvage_state.cc: what becomes of the state where something is damaged ----
  bool may_give_up(const Error& error) const;
  void note_damage(DamageKind kind, std::string text);
  void lose_hole(Table& table, const SalvagedRun::Hole& hole, const std::string& name);
  // What its tables have lost will be stored with its change map.
  static void keep_losses(Boundary& boundary);
  void lose_change_maps(const std::vector<Epoch>& lost_maps);
  // A record that nobody can read may have been anything.
  void lose_record(const Error& error);
  // An operation behind a lost record, which need not fit any more.
  void apply_behind_lost(const Operation& operation);
  Roaring all_chunks() const;
  void note_known_losses();
  bool has_lost_records = false;

  // ---- check.cc ----
  CheckPiece check_piece(const CheckCursor& from);
  CheckPiece check_superblocks();
  CheckPiece check_manifest(const CheckCursor& from);
  CheckPiece check_journal(const CheckCursor& from);
  CheckPiece check_tables(const CheckCursor& from);
  CheckPiece check_lost(const CheckCursor& from);
  CheckPiece check_slots(const CheckCursor& from);
  Status check_block(ObjectId object, std::uint32_t index, std::uint32_t location,
                     CheckPiece& piece);
  std::optional<std::uint64_t> check_some_slots(const Boundary& boundary, const Table& table,
                                                bool is_private, std::uint64_t first_chunk,
                                                CheckPiece& piece);
  std::size_t max_ranges_told = kMaxDamagesPerPiece;  // of one damage
  void add_hurt(const Boundary& boundary, const Roaring& chunks, bool is_private,
                CheckPiece& piece);

  // ---- background.cc ----
  bool has_background_work() const;
  Status background_step();
  Status reclaim_step();
  Status merge_step();
  void give_up_merge();
  void note_merge_candidate(const Boundary& boundary);
  bool choose_merge();
  Table* merge_table();
};

}  // namespace ddsnap
