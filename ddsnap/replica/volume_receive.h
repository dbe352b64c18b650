// One stream under way into a volume: its base proven, the delta applied, nothing else found
// changed, the snapshot made.
//
//     stranger              receive                                       server
//                           uuid of TO is there already?  -- yes: done
//                           attach, alone?
//                           changed since FROM? -- by us, interrupted: go on, or put it back
//                                               -- by a stranger: refuse, or put it back
//                           apply, window by window                       copies out for FROM
//     writes a chunk                                                      copies out for FROM
//                           changed since FROM, and not of the delta? -- refuse, or put it back
//                           create TO with upstream's uuid                durable
//                           forget the apply journal
//
// Errors    As Downstream::receive().
// Threads   One; those of apply_delta() inside.
// Lifetime  Borrows everything for its life; for one run().
#pragma once

#include <optional>

#include "ddsnap/delta/changelist.h"
#include "ddsnap/delta/delta_header.h"
#include "ddsnap/replica/byte_cover.h"
#include "ddsnap/replica/downstream.h"
#include "ddsnap/replica/peeked_source.h"
#include "ddsnap/replica/volume_record.h"
#include "ddsnap/wire/cli_messages.h"

namespace ddsnap {

class VolumeReceive {
 public:
  VolumeReceive(const std::string& server, const DeltaHeader& header, const ReceiveOptions& options,
                WorkContext& context);
  Result<ReceiveReport> run(PeekedSource& source);

 private:
  const SnapshotEntry* find(const Uuid& uuid) const;
  std::string device_name() const;
  Status choose_tag();
  Status open_origin();
  Status check_alone() const;
  Status prove_base(VolumeRecord& record);
  Status check_not_left_behind() const;
  Result<Changelist> changed_since_base() const;
  Status judge_changes(const Changelist& changed, VolumeRecord& record);
  Result<std::unique_ptr<BlockDevice>> open_base() const;
  Result<Changelist> strange_among(const Changelist& suspects) const;
  Status put_back(const Changelist& chunks);
  Status refuse_strangers(const Changelist& strange) const;
  Status check_nothing_else(const ByteCover& named);

  const std::string& server_;
  const std::string label_;
  const DeltaHeader& header_;
  const ReceiveOptions& options_;
  WorkContext& context_;

  std::vector<SnapshotEntry> snapshots_;
  const SnapshotEntry* base_ = nullptr;  // of snapshots_; null where it is proven otherwise
  std::unique_ptr<BlockDevice> origin_;
  ReceiveReport report_;
};

}  // namespace ddsnap
