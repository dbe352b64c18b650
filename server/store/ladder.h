// The ladder of a store that fails (S10): how far it has stepped down, why, and what the origin's
// writers are to see then.
//
// Shape     One-way: a rung is only left upwards by an administrator's order (SnapStore::Options).
//           The rungs down to "tracking only" are recorded in the journal; "closed" is for a store
//           whose metadata takes no more writes, and is marked in a superblock, or elsewhere.
// Source    SNAPSTORE.md, section 8.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace ddsnap {

enum class Rung : std::uint32_t {
  kWorks = 0,
  kNoNewSnapshots = 1,  // what is there is kept
  kTrackingOnly = 2,    // snapshots are lost, change maps and bookmarks go on
  kClosed = 3,
};

inline constexpr std::size_t kMaxStepDownTextBytes = 119;

struct StepDown {
  Rung rung = Rung::kWorks;
  std::string why;  // at most kMaxStepDownTextBytes
};

// What the writers of the origin see when copy-outs cannot be made.
enum class OnStoreFailure : std::uint32_t {
  kOriginGoesOn = 0,  // snapshots are lost, writes go on
  kOriginStops = 1,   // first writes get EIO, snapshots stay right
};

struct StoreSettings {
  OnStoreFailure on_failure = OnStoreFailure::kOriginGoesOn;
  // From how many percent used on a warning is due, and then a second one; 0: none.
  std::array<std::uint8_t, 2> warn_percent = {80, 95};
  friend bool operator==(const StoreSettings&, const StoreSettings&) = default;
};

}  // namespace ddsnap
