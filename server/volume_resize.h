// RESIZE: the devices were made larger, and the volume takes what they have now.
//
// Shape     Origin targets that are attached keep the size that they were told until they are made
//           anew; snapshots keep theirs for ever. Snapshot targets were told how many slots there
//           are, so slots are added only while none is attached.
// Errors    kUsage where something would shrink; kBusy with a snapshot target's name; the store's.
// Threads   None inside.
#pragma once

#include "ddsnap/wire/cli_messages.h"
#include "server/origin_watch.h"
#include "server/volume_parts.h"

namespace ddsnap {

class VolumeResize {
 public:
  VolumeResize(VolumeParts parts, OriginWatch& watch) : parts_(parts), watch_(watch) {}

  // Requires: no barrier is on.
  Result<ResizedMessage> run(const ResizeMessage& message);

 private:
  Status check_wanted(std::uint64_t wanted_bytes, const std::string& path,
                      std::uint64_t device_bytes) const;
  Status check_nobody_counts_slots() const;
  Status grow(const ResizeMessage& message);
  ResizedMessage outlook(const ResizeMessage& message) const;

  VolumeParts parts_;
  OriginWatch& watch_;
};

}  // namespace ddsnap
