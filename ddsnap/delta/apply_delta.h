// Makes a target that holds one snapshot hold the next.
//
// Shape     From a source that can be read twice, everything is checked before the first write;
//           from a pipe, the header and then each window of frames (D1). Each window is recorded
//           durably in the apply journal, then written, then flushed (D3). Reading, decoding and
//           writing overlap; what was decoded while checking is kept as far as memory allows.
// Errors    kDamaged: the delta is not what was written. kUsage, kFailed: it does not belong on
//           this target, with the range of chunks; nothing was written then, unless the delta came
//           through a pipe and was wrong only later on. kIo, kNoSpace from target or journal,
//           kInterrupted: run it again, it goes on where it was.
// Durable   All of it when the call returns success; the target's record then names its snapshot.
// Threads   Those of the context's workers, and one that reads; none is left afterwards. The caller
//           holds the target's lock (S8).
// Lifetime  Borrows everything for the call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "ddsnap/base/limits.h"
#include "ddsnap/base/result.h"
#include "ddsnap/base/work_context.h"
#include "ddsnap/delta/apply_state.h"
#include "ddsnap/delta/byte_stream.h"
#include "ddsnap/delta/delta_trailer.h"
#include "ddsnap/io/block_device.h"

namespace ddsnap {

class UndoFile;

struct ApplyOptions {
  // Stands for a proof that is missing: unknown hashes, a target that is not empty, a record that
  // names another snapshot. Content that is known to be wrong is refused all the same.
  bool is_forced = false;
  bool is_dry_run = false;  // everything is checked, nothing is written, nothing remembered
  std::size_t window_bytes = kApplyWindowBytes;
  // Called once, before anything is written, but not where an interrupted apply goes on.
  std::function<Status(const DeltaHeader&)> before_first_write = {};
  // Each frame once, in order, whatever becomes of it.
  std::function<void(const DeltaFrame&)> on_frame = {};
  UndoFile* undo = nullptr;  // gets the old content of each window before it is written
};

enum class ApplyOutcome {
  kApplied,
  kAlreadyApplied,  // every chunk held the new content; nothing was written
  kWouldApply,      // a dry run found nothing against it
  kRolledBack,      // the delta undid an interrupted one
};
const char* name_of(ApplyOutcome outcome);

struct ApplyReport {
  ApplyOutcome outcome = ApplyOutcome::kApplied;
  DeltaHeader header;
  bool was_resumed = false;   // an interrupted apply of this delta was finished
  bool was_replaced = false;  // the target is not what the last apply left: its record was ignored
  std::uint64_t chunks_written = 0;
  std::uint64_t chunks_zeroed = 0;
  std::uint64_t chunks_done_before = 0;  // by the interrupted apply; checked, not written again
};

Result<ApplyReport> apply_delta(ByteSource& source, BlockDevice& target, ApplyState& state,
                                const ApplyOptions& options, WorkContext& context);

}  // namespace ddsnap
