// Where a stream of replication ends: a volume with a server, or a bare device or file.
//
// Units     Bytes in sizes; chunks as the stream has them in reports.
// Shape     A volume takes a delta through an origin target, so that its older snapshots stay right
//           and its readers, who read snapshots, never see it half done; then a snapshot is made
//           that has the *uuid of the upstream's*. So its base is right when it holds the snapshot
//           of the delta's from_uuid (or a bookmark of it) and nothing differs from that now. A
//           bare device holds one state, and remembers which (apply_state.h).
// Errors    kFailed where it is not what the stream starts from, with what an administrator may do;
//           kBusy while somebody else has the origin open, or receives; as apply_delta().
// Durable   receive(): all of it, the snapshot included, when it returns success. Interrupted at
//           any point, the same stream may come again and goes on where it was; another one that
//           starts from the same base may come instead: what the first one wrote is then put back
//           out of the volume's own snapstore.
// Threads   One by one; receive() makes its own and ends them.
// Lifetime  Nothing is attached to the server but while receive() runs.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ddsnap/base/result.h"
#include "ddsnap/base/uuid.h"
#include "ddsnap/base/work_context.h"
#include "ddsnap/delta/apply_delta.h"
#include "ddsnap/delta/byte_stream.h"
#include "ddsnap/replica/held_snapshot.h"

namespace ddsnap {

struct ReceiveOptions {
  std::string tag;                   // of the snapshot; empty: as upstream
  bool is_forced = false;            // as ApplyOptions; a base of unknown uuid is taken, too
  bool puts_strangers_back = false;  // what somebody else wrote here since the base is undone
};

struct ReceiveReport {
  bool was_there = false;  // the snapshot was received before: nothing was written
  Uuid uuid;               // of the snapshot that is here now
  std::string tag;         // empty: a bare device
  ApplyReport apply;
  std::uint64_t chunks_put_back = 0;  // of an interrupted receive, or of strangers
};

class Downstream {
 public:
  virtual ~Downstream() = default;

  // `name`: a server's socket ("@name" and "ddsnap:NAME" too), or a device or file.
  static Result<std::unique_ptr<Downstream>> open(const std::string& name);

  virtual const std::string& name() const = 0;
  // Oldest first. Of a bare device at most one: what it is known to hold.
  virtual Result<std::vector<HeldSnapshot>> held() = 0;
  // A delta stream, from its header to its end. One that was received before is read to its end
  // too, so that a pipe's other side does not fail.
  virtual Result<ReceiveReport> receive(ByteSource& source, const ReceiveOptions& options,
                                        WorkContext& context) = 0;
};

// Whether the name means a server rather than a device.
bool names_server(const std::string& name);
// Behind the name of a device of which somebody wants a snapshot.
inline constexpr const char* kNoServerNoSnapshot =
    ": has no server, so there is no snapshot to take";

}  // namespace ddsnap
