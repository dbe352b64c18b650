// What the command line asks of one snapshot, or about all of them: delete, priority, use count,
// list, space.
//
// Errors    kNotFound, kBusy (in use by targets or by a use count), kUsage, and the store's own.
// Threads   None inside. Every answer is one bounded message (T7).
#pragma once

#include <string>

#include "ddsnap/wire/cli_messages.h"
#include "server/volume_parts.h"

namespace ddsnap {

class SnapshotCommands {
 public:
  explicit SnapshotCommands(VolumeParts parts) : parts_(parts) {}

  Status remove(const DeleteSnapshotMessage& message);
  Status set_priority(const SetPriorityMessage& message);
  Result<UseCountMessage> add_use_count(const AddUseCountMessage& message);
  SnapshotListMessage list(const ListSnapshotsMessage& message) const;
  SpaceListMessage space(const GetSpaceMessage& message) const;

 private:
  Result<BoundaryFacts> find(const std::string& tag) const;
  Status check_unused(const BoundaryFacts& snapshot);
  SnapshotEntry entry_of(const BoundaryFacts& boundary) const;

  VolumeParts parts_;
};

}  // namespace ddsnap
