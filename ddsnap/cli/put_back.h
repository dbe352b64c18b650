// Gives the origin back what it held at a snapshot, through an origin target of its own: the writes
// pass grants, so every other snapshot stays as it is (T1). What rollback and revert share.
//
// Units     Chunks.
// Errors    kUsage when the volume has another size now; as the devices otherwise.
// Durable   When put_back() returns. Interrupted, it is done again from the start.
// Threads   As copy_chunks(). Requires: a WorkContext that was made before any thread.
#pragma once

#include <functional>
#include <string>

#include "ddsnap/base/work_context.h"
#include "ddsnap/replica/server_client.h"

namespace ddsnap {

struct PutBack {
  std::string server;
  std::string tag;
};

// What was written since the snapshot.
Result<Changelist> changes_since(const PutBack& what, ServerClient& client);

// Copies the chunks of the list from the snapshot. `attached` is asked once before the first write
// and once behind the last, while the target is attached; its error ends it.
Status put_back(const PutBack& what, const Changelist& list, WorkContext& context,
                const std::function<Status()>& attached);

}  // namespace ddsnap
