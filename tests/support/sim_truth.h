// What must be true of a volume, told by what was written and commanded, and compared with what the
// store says: the checker of the simulation, which takes no part in the workload.
//
// Units     Sectors, and chunks of kSimChunkBytes.
// Shape     Writes are told when they land. observe() is called after whatever may have changed the
//           store; a snapshot's image is the origin as it was when its creation was observed.
// Errors    Findings are sentences; empty: all is right.
// Threads   None inside.
#pragma once

#include <bitset>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "server/store/snap_store.h"
#include "tests/support/sim_commands.h"
#include "tests/support/sim_sectors.h"

namespace ddsnap::test {

inline constexpr unsigned kSimChunkShift = 12;
inline constexpr std::uint32_t kSimChunkBytes = 1u << kSimChunkShift;
inline constexpr std::uint32_t kSimChunkSectors = kSimChunkBytes / kSimSectorBytes;
inline constexpr std::size_t kSimMaxChunks = 256;
inline constexpr std::int8_t kSimNeverDropped = 127;

class SimTruth {
 public:
  using ChunkSet = std::bitset<kSimMaxChunks>;
  struct Boundary {
    Uuid uuid;
    Epoch epoch;
    std::string tag;
    BoundaryKind kind = BoundaryKind::kLive;
    bool is_dropping = false;
    std::int8_t priority = 0;
    std::uint32_t use_count = 0;
    std::uint32_t priority_changes = 0;
    SimSectors image;                    // live only
    SimSectors origin_at_birth;          // kept when the data is given up
    ChunkSet changed;                    // written while it was the newest
    ChunkSet written;                    // through a target of its own
    std::vector<std::uint64_t> touched;  // by chunk: when such a write began or ended last
    std::vector<std::uint32_t> writers;  // by chunk: such writes under way

    bool is_readable() const { return kind == BoundaryKind::kLive && !is_dropping; }
  };
  // What may happen besides commands.
  struct Circumstances {
    bool may_drop = false;  // the store may be full
    std::string writer;     // an origin target with writes in flight; empty: none
    // A target that may use slots of the snapshot; empty: none.
    std::function<std::string(const Uuid&)> reader = {};
  };

  SimTruth(SimContents& contents, std::uint64_t volume_bytes);

  std::uint32_t chunk_count() const { return chunk_count_; }
  std::uint32_t sector_count() const { return static_cast<std::uint32_t>(origin_.count()); }
  const SimSectors& origin() const { return origin_; }
  const std::vector<Boundary>& boundaries() const { return boundaries_; }
  const Boundary* find(const Uuid& uuid) const;
  const Boundary* find(const std::string& tag) const;
  bool was_created(const Uuid& uuid) const { return created_.contains(uuid); }
  SimCommands& commands() { return commands_; }
  // Sectors written to the origin so far.
  std::uint64_t landed() const { return landed_; }
  // Every chunk that must be in a changelist from `from` to now. Not one whose writes a power cut
  // undid: a full store may then forget its copy-out, for nothing is lost (SNAPSTORE.md, section
  // 7).
  ChunkSet changed_since(const Uuid& from) const;

  // ---- what happens ----
  void origin_written(std::uint32_t sector, ContentId content);
  void private_write_begins(const Uuid& snapshot, std::uint32_t chunk, std::uint64_t now_ns);
  void private_written(const Uuid& snapshot, std::uint32_t sector, ContentId content);
  void private_write_ends(const Uuid& snapshot, std::uint32_t chunk, std::uint64_t now_ns);
  void origin_flushed() { origin_.on_flush(); }
  void snapstore_flushed();
  void snapstore_flush_failed();

  // Snapshots that were given up for want of room, since this was last asked.
  std::uint64_t take_drops() { return std::exchange(drops_, 0); }

  // ---- what is checked ----
  std::string observe(const SnapStore& store, const Circumstances& circumstances);
  // After a power cut: what is in doubt is what it is now. The origin at once, what was written to
  // snapshots when the store is recovered; until then no flush proves anything about it.
  std::string settle_origin(BlockDevice& origin);
  std::string settle_snapshots(SnapStore& store, BlockDevice& snapstore);
  // Every live snapshot, byte by byte.
  std::string compare(SnapStore& store, BlockDevice& snapstore, BlockDevice& origin) const;

 private:
  std::string observe_known(Boundary& boundary, const BoundaryFacts& facts, const SnapStore& store,
                            const Circumstances& circumstances);
  std::string observe_new(const BoundaryFacts& facts, const Circumstances& circumstances);
  std::string observe_gone(std::size_t index, const Circumstances& circumstances);
  // What should have been dropped in place of one that is in use; empty: nothing.
  static std::string better_victim(const SnapStore& store);
  static std::string check_unread(const Boundary& boundary, const Circumstances& circumstances);
  void give_up_data(Boundary& boundary, BoundaryKind kind);
  Boundary* find_mutable(const Uuid& uuid);
  std::string settle_private(Boundary& boundary, SnapStore& store, BlockDevice& snapstore);
  std::string compare_one(const Boundary& boundary, SnapStore& store, BlockDevice& snapstore,
                          BlockDevice& origin) const;
  bool is_as_at_birth(const Boundary& boundary, std::uint32_t chunk) const;
  std::uint32_t sectors_in(std::uint32_t chunk) const;

  SimContents& contents_;
  std::uint32_t chunk_count_;
  SimSectors origin_;
  ChunkSet undone_;                   // by some power cut, in part or whole
  std::vector<Boundary> boundaries_;  // oldest first
  std::set<Uuid> created_;
  SimCommands commands_;
  bool is_settled_ = true;
  std::uint64_t landed_ = 0;
  std::uint64_t drops_ = 0;
};

}  // namespace ddsnap::test
