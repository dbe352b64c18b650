// What a session writes: a volume with a server, or a bare device or file, and what is remembered
// of it between two sessions.
//
// Units     Chunks of the transfer.
// Shape     facts() first; then begin(), windows that are noted before they are written, finish().
//           A volume gets a snapshot with the uuid and tag of the upstream's; a bare device is
//           remembered to hold it (apply_state.h).
// Errors    begin(): kFailed where it does not hold what the transfer starts from; kBusy while
//           somebody else writes it; kUsage for a size that does not fit.
// Durable   note() and finish(), when they return.
// Threads   One at a time; what begin() gives is used by the threads of the delta engine.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "ddsnap/base/result.h"
#include "ddsnap/delta/apply_state.h"
#include "ddsnap/io/block_device.h"
#include "ddsnap/replica/byte_cover.h"
#include "ddsnap/replica/session_messages.h"

namespace ddsnap {

class SessionTarget {
 public:
  virtual ~SessionTarget() = default;
  virtual const std::string& name() const = 0;
  virtual Result<VolumeSession> facts() = 0;

  struct Begun {
    BlockDevice& device;  // for writing; it is ours until this object ends
    CutTransfer cut;      // from where on this very transfer is to go
  };
  virtual Result<Begun> begin(const StartSession& start) = 0;
  // What is written next, and up to where all is done.
  virtual Status note(const CutTransfer& cut) = 0;
  // Whether nothing but what the transfer named is new. Requires: it was not gone on with in its
  // middle.
  virtual Status check_nothing_else(const StartSession& /*start*/, const ByteCover& /*named*/) {
    return {};
  }
  // The transfer is over. Requires: what was written is flushed.
  virtual Status finish(const StartSession& start, const TargetSamples& samples) = 0;

  // To read: the snapshot that the question names, or the volume as it is.
  virtual Result<std::unique_ptr<BlockDevice>> open(const AuditSession& question) = 0;
};

// A device or file; `state` remembers.
Result<std::unique_ptr<SessionTarget>> open_device_target(const std::string& device);
// The volume of the server at this socket.
Result<std::unique_ptr<SessionTarget>> open_volume_target(const std::string& server);
// Whichever the name means: a socket, "@name" and "ddsnap:NAME" are servers.
Result<std::unique_ptr<SessionTarget>> open_session_target(const std::string& name);

// Where a transfer begins that was not cut off before.
inline CutTransfer fresh_transfer(const StartSession& start) {
  return {.from = start.from, .to = start.to};
}
// What the record of a target says of a transfer that was cut off; none.
std::optional<CutTransfer> cut_of(const TargetState& state);
// The same of a volume that holds these snapshots, the newest first: a record that is not of a
// transfer from the newest to one that is not there is stale.
std::optional<CutTransfer> cut_of_volume(const TargetState& state, std::span<const Uuid> held);
// The record while the transfer is under way.
TargetState state_during(TargetState state, const CutTransfer& cut);
// The record after it.
TargetState state_behind(TargetState state, const StartSession& start,
                         const TargetSamples& samples);

}  // namespace ddsnap
