// What a volume is told about its surroundings when it is made.
//
// Lifetime  Copied into the volume.
#pragma once

#include <string>

#include "ddsnap/wire/messages.h"

namespace ddsnap {

// What the writers of the origin see once the store has failed for good (S10).
enum class StoreFailurePolicy {
  kOriginGoesOn,  // snapshots are lost, writes go on
  kOriginStops,   // writes get EIO
};

struct VolumeConfig {
  DevicePair pair;         // both known: what a target must name, when it names any
  bool is_direct = false;  // the server's own devices are O_DIRECT (T8)
  std::string origin_path;
  std::string snapstore_path;
  std::string metadata_path;  // empty: on the snapstore
  StoreFailurePolicy on_store_failure = StoreFailurePolicy::kOriginGoesOn;
};

}  // namespace ddsnap
