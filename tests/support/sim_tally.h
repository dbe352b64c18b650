// What a simulation did, and at which kinds of write it was cut: its coverage of crash points.
//
// Shape     Counts of one seed add up to those of a run.
// Threads   A plain value.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace ddsnap::test {

// What a write, or the flush behind it, belongs to.
enum class SimPoint : std::uint8_t {
  kCopyOut,  // a record of copy-outs
  kChanged,  // a record of changes without a copy
  kPrivate,  // a record of private slots
  kCreate,
  kDelete,
  kBookmark,
  kDrop,
  kMarkDropping,
  kAttribute,  // priority, use count
  kAttach,
  kDetach,
  kResize,
  kSeal,
  kSlot,   // slots of a batch
  kSpill,  // tables, maps and manifest of a checkpoint
  kMerge,
  kSuperblock,    // of a checkpoint
  kRecoverySlot,  // what was judged and is copied
  kRecoveryTable,
  kRecoverySuperblock,
  kTargetWrite,
  kTargetFlush,
  kOther,
};
inline constexpr std::size_t kSimPoints = static_cast<std::size_t>(SimPoint::kOther) + 1;
const char* name_of(SimPoint point);

struct SimTally {
  struct Point {
    std::uint64_t writes = 0;
    std::uint64_t flushes = 0;
    std::uint64_t power_cuts = 0;  // at a write or flush of this kind
    std::uint64_t kills = 0;       // of the server, there
  };

  // What users and targets did.
  std::uint64_t origin_writes = 0;
  std::uint64_t origin_reads = 0;
  std::uint64_t snapshot_reads = 0;
  std::uint64_t snapshot_writes = 0;
  std::uint64_t target_flushes = 0;
  std::uint64_t commands = 0;
  std::uint64_t attaches = 0;
  std::uint64_t operations() const {
    return origin_writes + origin_reads + snapshot_reads + snapshot_writes + target_flushes +
           commands + attaches;
  }
  // What came of it.
  std::uint64_t refused = 0;  // operations that ended with an error
  std::uint64_t messages = 0;
  std::uint64_t strangers_messages = 0;  // of those who keep no rule
  std::uint64_t spoilt_origins = 0;      // written behind the server's back
  std::uint64_t device_operations = 0;   // writes and flushes
  std::uint64_t creates = 0;             // that were seen to happen
  std::uint64_t holds = 0;               // barriers that a client was told of
  std::uint64_t removals = 0;
  std::uint64_t drops = 0;
  // Faults.
  std::uint64_t power_cuts = 0;
  std::uint64_t cuts_in_recovery = 0;
  std::uint64_t recoveries = 0;
  std::uint64_t server_kills = 0;
  std::uint64_t target_kills = 0;
  std::uint64_t stalls = 0;
  std::uint64_t lost_lines = 0;
  std::uint64_t io_errors = 0;
  std::uint64_t store_failures = 0;
  std::uint64_t enospc = 0;
  std::uint64_t images_compared = 0;
  std::array<Point, kSimPoints> points{};

  Point& at(SimPoint point) { return points[static_cast<std::size_t>(point)]; }
  void add(const SimTally& other);
  // A table for people.
  std::string to_text() const;
};

}  // namespace ddsnap::test
