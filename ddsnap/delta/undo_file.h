// The reverse of a delta, written while the delta is applied: from it the older snapshot comes
// back.
//
// Shape     A raw delta whose uuid follows from the forward one's. The old content of a window is
//           durable in it before the window is written, so also what is there after a crash can be
//           undone (roll_back.h); an apply that goes on after one goes on here too. Until finish()
//           it has no index and no trailer, and passes for no delta but there.
// Errors    Without a save() nothing remains of a new file. begin(): kExists where the name holds
// something else, kUsage where no undo can be made:
//           the target was cut already, or the interrupted apply kept none. Else as the file
//           system, or as the target.
// Durable   save() and finish() when they return success.
// Threads   Those of the context, inside a call.
// Lifetime  Borrows header and target from begin() on.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "ddsnap/base/work_context.h"
#include "ddsnap/delta/apply_window.h"
#include "ddsnap/delta/delta_writer.h"

namespace ddsnap {

// Of the undo of a delta.
Uuid undo_uuid_of(const Uuid& delta_uuid);
DeltaHeader undo_header_of(const DeltaHeader& forward, std::uint64_t created_ns);

class UndoFile {
 public:
  // Nothing happens before begin(). `created_ns`: now, since 1970, UTC.
  UndoFile(std::string path, std::uint64_t created_ns);
  ~UndoFile();

  // `state` is what is remembered with the target.
  Status begin(const DeltaHeader& forward, BlockDevice& target, const TargetState& state);
  // Requires: the target still holds what was there before the frames.
  Status save(std::span<const DecodedFrame> frames, const WorkContext& context);
  // What a shrinking volume loses at its end, index and trailer.
  Status finish(const WorkContext& context);

  // So many frames are durable.
  std::uint64_t frames() const { return frames_; }

 private:
  class Sink;

  Status go_on(std::uint64_t frames);
  Status start();

  const std::string path_;
  const std::uint64_t created_ns_;
  std::optional<DeltaHeader> forward_;
  DeltaHeader header_;
  BlockDevice* target_ = nullptr;
  std::unique_ptr<Sink> sink_;
  std::unique_ptr<DeltaWriter> writer_;
  std::uint64_t frames_ = 0;
  bool is_new_ = false;  // made by us, and nothing that anybody needs is in it yet
};

}  // namespace ddsnap
