// The folder where deltas come in: each is verified, applied when its turn has come, and
// acknowledged.
//
//     what lies there                     what becomes of it
//     starts from what the volume has     applied; then archived, or deleted
//     ends in what the volume has         it came twice: the same, without applying
//     starts from something else          waits for what comes before it, and that is told
//     overtaken (inbox_plan.h)            deleted: upstream began anew, and that one is applied
//     the volume went on from its base    stays until it is overtaken, and that is told
//     not what its name says, damaged     put aside into bad/, is brought again, and that is told
//     another name                        left alone, and that is told
//
// Errors    run(): those of the volume, after which the rest of the inbox waits. What a file is to
//           blame for is no error of the run but in problems().
// Durable   The acknowledgement is written after the snapshot is.
// Threads   One; those of the apply inside.
// Lifetime  Borrows everything for its life.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "ddsnap/base/work_context.h"
#include "ddsnap/replica/delta_name.h"
#include "ddsnap/replica/downstream.h"
#include "ddsnap/replica/inbox_plan.h"
#include "ddsnap/replica/job_config.h"
#include "ddsnap/replica/job_state.h"

namespace ddsnap {

class Inbox {
 public:
  Inbox(const InboxConfig& config, Downstream& volume, WorkContext& context)
      : config_(config), volume_(volume), context_(context) {}

  // Applies all that can be, and writes the acknowledgement, whatever happened.
  Status run(std::int64_t now_s);
  const std::vector<std::string>& problems() const { return problems_; }
  // What was done, for people.
  const std::vector<std::string>& deeds() const { return deeds_; }
  Uuid newest() const { return newest_; }

 private:
  Status apply_all();
  Status clear(const InboxPlan& plan);
  Status apply(const DeltaName& name);
  Status remove_overtaken(const DeltaName& name, const DeltaName& by);
  Status judge_refused();
  Status judge_failure(const DeltaName& name, Error error);
  Status put_away(const DeltaName& name);
  Status put_aside(const DeltaName& name, const std::string& why);
  Status acknowledge(std::int64_t now_s, const std::string& error);

  const InboxConfig& config_;
  Downstream& volume_;
  WorkContext& context_;
  std::vector<HeldSnapshot> held_;
  std::vector<std::string> problems_;
  std::vector<std::string> deeds_;
  // Of this run:
  std::set<DeltaName> applied_;
  std::map<DeltaName, std::string> refused_;  // and why
  Uuid newest_;
};

}  // namespace ddsnap
