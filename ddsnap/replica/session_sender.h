// Sends a snapshot to another machine, where a listener receives it (session_receiver.h).
//
// Units     Bytes; chunks of the upstream volume.
// Shape     What the other side holds decides what is sent: the changes since the newest snapshot
//           (or bookmark) that it holds; only the rest of them where a session was cut off; with
//           is_resync, whatever differs by hash. REPLICA.md, section 3.
// Errors    kNotFound for a tag that is none; kFailed where the other side does not hold what the
//           changes start from, with what may be done; what the other side says, its name in front;
//           kDisconnected, kBusy, kInterrupted: the same call again goes on where this one was.
// Durable   On the other side, snapshot included, when it returns success.
// Threads   Those of the context for each window, ended with it.
// Lifetime  Borrows everything for the call. The channel is of no use afterwards.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ddsnap/base/limits.h"
#include "ddsnap/base/result.h"
#include "ddsnap/base/work_context.h"
#include "ddsnap/delta/codec.h"
#include "ddsnap/replica/channel.h"
#include "ddsnap/replica/session_source.h"

namespace ddsnap {

struct SendOptions {
  std::string volume;    // as the listener names it; empty: its only one
  std::string from_tag;  // empty: whatever the other side holds
  std::string to_tag;
  bool is_resync = false;  // compare all of it by hash and send what differs
  CodecChoice codec;
  std::size_t window_bytes = kSessionWindowBytes;  // made durable at once, on the other side
  // After that compare the PART-th of so many parts of the snapshot with its copy. 0 parts: none.
  std::uint64_t audit_part = 0;
  std::uint64_t audit_parts = 0;
};

struct AuditTally {
  ByteRange slice;
  std::vector<ByteRange> differences;  // empty: none
};

struct SendTally {
  std::string from_tag;  // empty: a resync
  std::string to_tag;
  bool was_there = false;         // the other side held it already
  bool was_resumed = false;       // an earlier session was cut off
  std::uint64_t chunks_sent = 0;  // named in windows
  std::uint64_t windows_sent = 0;
  std::uint64_t chunks_written = 0;  // there
  std::uint64_t chunks_zeroed = 0;   // there
  std::uint64_t sent_bytes = 0;      // over the channel, all of the session
  std::uint64_t received_bytes = 0;
  std::optional<AuditTally> audit;
};

Result<SendTally> replicate_over(Channel& channel, SessionSource& source,
                                 const SendOptions& options, WorkContext& context);

// Compares a device with a volume of a listener, or with its snapshot of this tag.
Result<std::vector<ByteRange>> compare_over(Channel& channel, BlockDevice& device,
                                            unsigned chunk_shift, const std::string& volume,
                                            const std::string& tag, WorkContext& context);

}  // namespace ddsnap
