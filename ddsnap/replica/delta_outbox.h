// One target that gets files: deltas made into an outbox, carried by rsync, until the other side's
// acknowledgement names them.
//
//     upstream                                        rsync      downstream (inbox.h)
//     fetch `acknowledged`                            <----
//     drop the deltas that it names
//     make the delta from the last one on its way
//     to the newest snapshot: temporary name,
//     fsync, rename
//     bring all that is left                          ---->      verify, apply in order, snapshot
//     fetch `acknowledged`, next time                 <----      write `acknowledged`
//
// Shape     The outbox is a chain: each delta goes on where the one before ended, the first from a
//           snapshot that the other side has. What breaks the chain (a lost file, a downstream put
//           back) is thrown away, and a new one begins at the newest snapshot that both sides hold.
//           So many deltas, or bytes, as the configuration allows wait for the other side; then it
//           makes no more, until some are acknowledged. Nothing is pinned by that: the snapshot
//           that the next one starts from may become a bookmark.
// Errors    kFailed where there is no such snapshot any more; as rsync and write_delta().
// Durable   A delta is in the outbox whole or not at all.
// Threads   One; those of write_delta() inside.
// Lifetime  Borrows everything for its life.
#pragma once

#include <string>
#include <vector>

#include "ddsnap/base/work_context.h"
#include "ddsnap/replica/delta_name.h"
#include "ddsnap/replica/job_config.h"
#include "ddsnap/replica/job_state.h"
#include "ddsnap/replica/upstream.h"

namespace ddsnap {

class DeltaOutbox {
 public:
  DeltaOutbox(const JobConfig& config, const TargetConfig& target, TargetProgress& progress,
              WorkContext& context);

  // What the downstream has, as far as it was told; and what the outbox still has to bring.
  Status catch_up(const std::vector<HeldSnapshot>& ours);
  // Makes the delta to that snapshot, unless it is on its way. kFailed, too, while the backlog is
  // as large as it may become.
  Status add(const Upstream& upstream, const std::vector<HeldSnapshot>& ours,
             const HeldSnapshot& to);
  Status bring();
  // What the other side complains of; empty: nothing.
  const std::string& problem() const { return problem_; }

 private:
  Status fetch_acknowledgement();
  Status note_acknowledged(const std::vector<HeldSnapshot>& ours);
  Status drop_delivered();
  Status drop_all();
  Status check_backlog() const;
  std::string remote(const std::string& name) const;
  Status run_rsync(std::vector<std::string> words);

  const TargetConfig& target_;
  TargetProgress& progress_;
  WorkContext& context_;
  const std::string folder_;  // of this target's state
  const std::string outbox_;
  std::vector<DeltaName> waiting_;
  std::vector<Uuid> theirs_;
  bool has_heard_ = false;
  std::string problem_;
};

}  // namespace ddsnap
