// Snapshots of several volumes at one instant, and of file systems that are frozen meanwhile: all
// barriers are held, then all snapshots are committed, or none remains (DESIGN T2, timeline 23).
//
// Shape     Volumes are prepared in the order of their stores' uuids, so that two groups never wait
//           for each other crosswise. At the instant when the last one is prepared nobody can write
//           any of them; each commit then ends its own volume's wait. A volume's snapshot has a
//           uuid of its own that follows from the group's; one volume alone has the group's itself.
// Errors    Where a volume cannot be prepared nothing was made: that error. Where one cannot commit
//           the group is incomplete: kFailed, after the others' snapshots were deleted again; those
//           that could not be deleted are named.
// Threads   One runs it.
// Lifetime  A server releases what it holds when this process ends, or when the time is over.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ddsnap/io/frozen_mounts.h"
#include "ddsnap/replica/server_client.h"
#include "ddsnap/wire/cli_messages.h"

namespace ddsnap {

struct TogetherOptions {
  std::vector<std::string> servers;
  std::vector<std::string> mounts;  // frozen while the barriers are held; perhaps none
  std::uint64_t timeout_ms = kTogetherTimeout_ms;  // at most kBarrierDeadline_ms
};

// The request's uuid is the group's.
Status create_together(const TogetherOptions& options, const CreateSnapshotMessage& request);

class SnapshotGroup {
 public:
  static Result<SnapshotGroup> connect(const std::vector<std::string>& servers,
                                       const CreateSnapshotMessage& request);

  // kUsage when something that a server works with lies on one of the mounts.
  Status check_paths(const FrozenMounts& mounts) const;
  // Holds all, or none.
  Status prepare(Deadline deadline);
  // Commits all, or fails having taken back what it could.
  Status commit(Deadline deadline);
  // Deletes what was committed; the error, with what could not be deleted.
  Error take_back(const Error& why);

 private:
  struct Member {
    ServerClient client;
    ServerStatusMessage status;
    CreateSnapshotMessage request;
  };
  static Status take_back_one(Member& member);

  std::vector<Member> members_;  // in the order of their stores' uuids
};

}  // namespace ddsnap
