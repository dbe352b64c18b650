// The snapstore engine: which chunks were copied out where, and the one place that copies, journals
// and flushes.
//
// Units     Chunks, slots, epochs. Bytes only in StoreFormat and StoreFacts.
// Shape     A synchronous library over BlockDevice: no clock, no threads, no sockets. Every call
// that changes something is one
//           commit: when it returns success the change is durable (S6); when it returns an error
//           nothing has happened, except that after kIo or kDamaged from a write or flush the store
//           has failed (see failed()).
// Errors    kNotFound/kExists for epochs and tags; kNoSpace when a slot or metadata block is
// wanting (the volume then applies its
//           full-store policy and asks again); kDamaged when metadata does not hold what was
//           written; kIo as the device says.
// Threads   None inside; the caller serialises.
// Lifetime  Borrows the devices and the random source for its whole life.
// Source    DESIGN.md section 3; the format is SNAPSTORE.md beside this file.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <roaring/roaring.hh>
#include <span>
#include <string>
#include <vector>

#include "ddsnap/base/hash.h"
#include "ddsnap/base/limits.h"
#include "ddsnap/base/random.h"
#include "ddsnap/base/result.h"
#include "ddsnap/base/units.h"
#include "ddsnap/base/uuid.h"
#include "ddsnap/io/block_device.h"
#include "server/store/damage.h"
#include "server/store/ladder.h"

namespace ddsnap {

struct StoreDevices {
  BlockDevice& snapstore;
  BlockDevice& origin;              // only read
  BlockDevice* metadata = nullptr;  // null: metadata lives at the start of the snapstore
};

struct StoreFormat {
  unsigned chunk_shift = kDefaultChunkShift;
  std::uint64_t journal_bytes = 0;  // 0: chosen by the size of the snapstore
  Uuid uuid;                        // nil: a new one
  std::uint64_t created_ns = 0;
};

// Writes an empty store. kUsage when it cannot fit or when the snapstore's block is larger than the
// origin's (T8).
Status initialize_store(const StoreDevices& devices, const StoreFormat& format,
                        RandomSource& random);
// Marks a store that cannot be opened as closed, the origin to go on without it (S10): a success
// means that no later open() overlooks it.
Status close_unopened_store(const StoreDevices& devices, const std::string& why);
// Whether the devices carry a store already (any version, or one of this format whose beginning was
// overwritten): what `initialize` must not overwrite unasked.
Result<bool> is_store(const StoreDevices& devices, const StoreFormat& format);

struct StoreFacts {
  Uuid uuid;
  ChunkGeometry geometry;              // of the origin as it is now
  std::uint64_t grown_from_bytes = 0;  // the origin's size before this opening; 0: the same
  std::uint64_t created_ns = 0;
  std::uint64_t slots_offset_bytes = 0;
  std::uint64_t slots_total = 0;
  std::uint64_t metadata_bytes_total = 0;
  std::uint64_t journal_bytes_total = 0;
};

struct StoreUsage {
  std::uint64_t slots_free = 0;
  std::uint64_t metadata_bytes_used = 0;
  std::uint64_t journal_bytes_used = 0;
  std::uint64_t exceptions = 0;
  std::uint64_t first_writes = 0;     // chunks, since open
  std::uint64_t batches = 0;          // since open
  std::uint64_t lost_chunks = 0;      // whose old content the origin could not be read for
  std::uint64_t repeated_writes = 0;  // failed once and succeeded when repeated, since open
};

struct StoreRoom {
  std::uint64_t slots_free = 0;
  std::uint64_t slots_total = 0;
  std::uint64_t metadata_blocks_free = 0;  // less what is kept for making room (S9)
  std::uint64_t metadata_blocks_total = 0;
};

enum class BoundaryKind : std::uint8_t { kLive = 1, kBookmark = 2, kDropped = 3 };

struct BoundaryFacts {
  Epoch epoch;
  Uuid uuid;
  std::string tag;
  BoundaryKind kind = BoundaryKind::kLive;
  bool is_dropping = false;  // kLive only: given up, its data kept until its targets are gone (T6)
  std::int8_t priority = 0;
  std::uint32_t use_count = 0;
  std::uint64_t created_ns = 0;
  std::uint64_t size_bytes = 0;
  std::uint64_t changed_chunks = 0;
  std::uint64_t exception_chunks = 0;
  std::uint64_t lost_chunks = 0;  // among those: the origin could not be read
  std::uint64_t private_chunks = 0;
};

struct NewBoundary {
  Uuid uuid;
  std::string tag;
  std::int8_t priority = 0;
  bool is_bookmark = false;
  std::uint64_t created_ns = 0;
};

// A durable memory of who may be reading or writing (T4). The store only keeps it.
struct Attachment {
  std::uint32_t id = 0;  // 1 is the first; chosen by the store
  bool is_origin = true;
  bool is_kernel = false;
  Epoch snapshot;  // 0 for the origin
  Uuid snapshot_uuid;
  Uuid target_uuid;
  Uuid boot_id;
  std::uint64_t dm_device_or_pid = 0;
  std::string label;
};

struct WriteAsk {
  enum class Outcome : std::uint8_t { kPending, kGranted, kNoSpace, kOriginUnreadable };
  ChunkNr chunk;
  Outcome outcome = Outcome::kPending;
  bool is_content_lost = false;  // granted, but its old content could not be read
};

struct Location {
  enum class Place : std::uint8_t { kOrigin, kSlot, kZero, kPrivate, kDamaged };
  Place place = Place::kOrigin;
  SlotNr slot;
  ChunkHash hash;  // kSlot and kZero
};

class SnapStore {
 public:
  struct Options {
    std::size_t cache_bytes = kDefaultCacheBytes;
    // Tests make these small to reach spills and merges early; 0 means "chosen by the size of the
    // store".
    std::size_t spill_entries = 0;
    // The administrator's order to go back to "works" (S10). A closed store is opened only so.
    bool must_resume = false;
    // The store was closed, and the mark is not in it but with the caller.
    bool was_closed = false;
  };

  // Recovers to the last durable state, then makes it the new starting point (a checkpoint).
  // kNotInitialized, kVersion, kDamaged, kUsage (origin smaller than the store knows it), kFailed
  // (closed).
  static Result<std::unique_ptr<SnapStore>> open(const StoreDevices& devices,
                                                 const Options& options, RandomSource& random);
  ~SnapStore();

  const StoreFacts& facts() const;
  StoreUsage usage() const;
  // Sentences about what recovery found and could not hide (a damaged superblock copy, a damaged
  // slot): for log and status.
  const std::vector<std::string>& findings() const;
  // Set after a write or flush failed twice (S10): from then on every changing call returns this
  // error.
  const std::optional<Error>& failed() const;

  // ---- the ladder (S10) ----
  const StepDown& step_down() const;
  // Set after a batch found no place for its slots although its record could be written: time for
  // "tracking only".
  const std::optional<Error>& slots_failed() const;
  // Why the store should make no new snapshots, where it says so by itself.
  const std::optional<std::string>& complaint() const;
  // Durable. Requires: a lower rung than now, not kClosed.
  Status step_down_to(Rung rung, const std::string& why);
  // Marks a failed store in its superblock; a success means that no open() overlooks it. The
  // snapshots are given up where the origin goes on.
  Status close_for_good(const std::string& why);
  const StoreSettings& settings() const;
  Status set_settings(const StoreSettings& settings);
  // The newest boundary's change map lacks something: lists across it are refused from now on.
  Status lose_track();
  bool is_track_lost() const;

  // ---- the origin behind our back (T11) ----
  const std::optional<std::uint64_t>& origin_digest() const;
  Status seal_origin(std::uint64_t digest);

  // ---- boundaries, oldest first ----
  std::size_t boundary_count() const;
  std::vector<BoundaryFacts> boundaries(Epoch after, std::size_t at_most) const;
  std::optional<BoundaryFacts> find(const std::string& tag) const;
  std::optional<BoundaryFacts> find(Epoch epoch) const;
  std::optional<BoundaryFacts> find(const Uuid& uuid) const;
  Epoch newest_boundary() const;  // 0: none
  Epoch newest_live() const;      // 0: none
  Epoch last_created() const;     // the epoch of grants (T2): never lowered by a delete

  // The caller has done the barrier and flushed the origin (T2). kExists when the tag is taken.
  Result<Epoch> create(const NewBoundary& boundary);
  // Gives the data up; keep_as says what remains: nothing, a bookmark, or "dropped" (a bookmark
  // that the policy made).
  enum class Keep : std::uint8_t { kNothing, kBookmark, kDropped };
  Status remove(Epoch epoch, Keep keep);
  // First half of dropping a snapshot that is in use: durable; reads of it are refused by the
  // volume from then on.
  Status mark_dropping(Epoch epoch);
  Status set_priority(Epoch epoch, std::int8_t priority);
  Status set_use_count(Epoch epoch, std::uint32_t use_count);

  // ---- attachments ----
  Result<std::uint32_t> attach(Attachment attachment);
  Status detach(std::uint32_t attachment_id);
  const std::vector<Attachment>& attachments() const;

  // ---- the write path ----
  // Whether a write to the chunk needs no work: no boundary, or already in the newest boundary's
  // change map.
  bool is_granted(ChunkNr chunk) const;
  // One batch: copies out what needs it, journals, flushes once, and says for each chunk how it
  // went. At most max_batch_chunks(). An error means that none is granted. What the origin cannot
  // be read for is granted and marked as lost, as long as the origin answers elsewhere and the
  // settings let it go on.
  Status prepare_writes(std::span<WriteAsk> asks);
  std::uint32_t max_batch_chunks() const;
  // Gives each chunk of a live snapshot a private slot holding its present content. All or none.
  // kNoSpace evicts nothing.
  Result<std::vector<SlotNr>> prepare_snapshot_writes(Epoch snapshot,
                                                      std::span<const ChunkNr> chunks);

  // ---- size (the devices have grown) ----
  // Durable, or nothing has happened. Success also where there is nothing new. kUsage where the
  // device is shorter than the store has it: shrinking is refused.
  Status grow_origin();
  // The new room becomes slots. Requires: nobody else counts the slots.
  Status grow_slots();
  // What that would make of it.
  std::uint64_t slots_after_growth() const;

  // ---- reading ----
  // Where the content of snapshot `snapshot` lies, one Location a chunk. kOrigin is true at the
  // instant of the answer (T5).
  Status locate(Epoch snapshot, ChunkRange range, std::vector<Location>& out);
  // Which chunks differ between two boundaries (to: 0 means now), by the maps alone (section 3,
  // D6). kDamaged where a map in between is incomplete (lose_track).
  Result<Roaring> changed(Epoch from, Epoch to) const;

  // ---- checking ----
  // Verifies the next piece of what is on the devices: about kCheckPieceBytes of reading. Changes
  // nothing, and never fails: what cannot be read is damage.
  CheckPiece check_piece(const CheckCursor& from);

  // ---- room ----
  StoreRoom room() const;
  // How many slots remove(epoch, ...) would free: an AND of two bitmaps.
  std::uint64_t slots_freed_by_removing(Epoch epoch) const;
  // How many slots its tables name. Each used slot is named by one snapshot.
  std::uint64_t slots_held_by(Epoch epoch) const;
  // Metadata (not slots) is what is short: then the oldest bookmarks go first (S9).
  bool is_metadata_short() const;

  // ---- background ----
  bool has_background_work() const;
  // One bounded step (milliseconds) of freeing slots, merging runs or checkpointing.
  Status background_step();
  // Nothing more is coming for now: seals the last record (S3). Not a flush.
  Status seal();
  // Spill and checkpoint, for a clean stop.
  Status close_cleanly();

  struct Impl;  // snap_store_impl.h, for the files of this folder

 private:
  explicit SnapStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace ddsnap
