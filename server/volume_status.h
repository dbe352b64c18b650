// What the command line may know of a volume: its numbers, and its targets by name.
//
// Threads   None inside. Every answer is one bounded message.
#pragma once

#include "server/volume_parts.h"

namespace ddsnap {

// How far the store has stepped down (S10); only an administrator takes it back up.
enum class Ladder : std::uint32_t {
  kWorks = 0,
  kNoNewSnapshots = 1,
  kTrackingOnly = 2,
  kClosed = 3,
};

ServerStatusMessage status_of(const VolumeParts& parts, Ladder ladder);
TargetListMessage targets_of(const VolumeParts& parts, const ListTargetsMessage& message);

}  // namespace ddsnap
