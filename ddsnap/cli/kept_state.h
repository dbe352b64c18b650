// The snapshot in which a revert keeps the state before it, and how a revert that was killed is
// known when it is run again.
//
// Shape     The kept snapshot's uuid follows from the reverted snapshot's and from its own tag, so
//           no other snapshot is taken for one; while the revert is not done its priority is 127,
//           which comes with its birth and goes as the revert's last act. So one of that priority
//           marks a revert that was cut off, unless something was written since that no revert
//           writes: then it is kept for itself, and the next revert keeps a snapshot of its own.
// Errors    As the server.
// Threads   None inside.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "ddsnap/replica/server_client.h"
#include "ddsnap/wire/cli_messages.h"

namespace ddsnap {

struct KeptState {
  std::string tag;
  Uuid uuid;
  bool is_there = false;           // a revert that was cut off has made it
  std::uint64_t begun_chunks = 0;  // that it may have written
};

// `list` is what was written since `reverted`. An empty `wanted_tag`: before-revert-TAG, and
// numbers behind it where that is another's.
Result<KeptState> plan_kept_state(ServerClient& client, std::span<const SnapshotEntry> snapshots,
                                  const SnapshotEntry& reverted, const Changelist& list,
                                  const std::string& wanted_tag);

Status keep_state(ServerClient& client, const KeptState& state);

// The revert is done: nothing that it kept marks it as cut off any more.
Status settle_kept_states(ServerClient& client, const SnapshotEntry& reverted);

}  // namespace ddsnap
