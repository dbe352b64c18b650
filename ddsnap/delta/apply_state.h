// What is remembered with the target of deltas: the apply journal and what was applied (D2, D3).
//
// Shape     One record a target: the snapshot that it holds, the deltas applied last, and, while an
//           apply is under way, the window being written: which frames, and of differences the
//           blocks that change. DELTA.md, section 4.
// Durable   store() replaces the record as a whole: after a power cut it is the old or the new one.
// Errors    load: kDamaged for a record that is not what was stored; one that was never stored is
//           empty. store: nothing was replaced.
// Threads   None inside.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ddsnap/base/hash.h"
#include "ddsnap/base/result.h"
#include "ddsnap/base/units.h"
#include "ddsnap/base/uuid.h"
#include "ddsnap/delta/changed_blocks.h"

namespace ddsnap {

// Frames whose writing has begun and is not known to be done: a rerun writes them unchecked.
struct ApplyWindow {
  // What is written of a difference; the rest of its content is on the target already.
  struct SavedPart {
    BlockRun run;                        // within the frame's content
    std::span<const std::byte> content;  // of whoever made the window, or in `loaded`
  };
  struct SavedContent {
    std::uint64_t frame_nr = 0;
    std::vector<SavedPart> parts;  // ascending
  };
  Uuid delta_uuid;
  std::uint64_t first_frame = 0;
  std::uint64_t frame_count = 0;
  ChunkNr first_chunk;
  ChunkNr last_chunk;
  bool is_forced = false;           // --force was given; a rerun need not repeat it
  bool has_undo = false;            // the content before it is in an undo file
  bool is_roll_back = false;        // the delta is such an undo, and its frames are all in doubt
  std::uint64_t undo_frames = 0;    // so many frames of that file are durable
  std::vector<SavedContent> saved;  // of the frames that are differences, ascending
  // What was saved, in a window that was read. Shared, because states are copied.
  std::shared_ptr<const std::vector<std::byte>> loaded;

  std::uint64_t end_frame() const { return first_frame + frame_count; }
  const SavedContent* find_saved(std::uint64_t frame_nr) const;  // null: nothing is
};

// What some chunks of the target held when the last apply ended (target_samples.h).
struct ChunkSample {
  ChunkNr chunk;
  ChunkHash hash;
};
struct TargetSamples {
  unsigned chunk_shift = kDefaultChunkShift;
  std::vector<ChunkSample> chunks;  // ascending, at most kMaxTargetSamples
};

struct TargetState {
  Uuid snapshot_uuid;               // of what the target holds; nil: not known
  std::vector<Uuid> recent_deltas;  // applied, oldest first, at most kMaxRememberedDeltas
  TargetSamples samples;            // of the last of them
  bool is_touched = false;          // not stored: some samples are gone
  std::optional<ApplyWindow> window;
};

class ApplyState {
 public:
  virtual ~ApplyState() = default;
  virtual Result<TargetState> load() = 0;
  // Calls `last_condition` when all is written and nothing is replaced yet; no when it fails.
  virtual Status store(const TargetState& state, const std::function<Status()>& last_condition) = 0;
  Status store(const TargetState& state) {
    return store(state, [] { return Status{}; });
  }
};

std::vector<std::byte> encode_target_state(const TargetState& state);
Result<TargetState> decode_target_state(std::span<const std::byte> bytes);

// The record in a file of its own, replaced by renaming. Folders are made when first needed.
class FileApplyState final : public ApplyState {
 public:
  explicit FileApplyState(std::string path) : path_(std::move(path)) {}
  Result<TargetState> load() override;
  using ApplyState::store;
  Status store(const TargetState& state, const std::function<Status()>& last_condition) override;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  bool is_tidy_ = false;  // what killed applies left behind is gone
};

// Where records live: $DDSNAP_STATE_DIR; else /var/lib/ddsnap/apply for root, and for others
// ddsnap/apply below $XDG_STATE_HOME or ~/.local/state. kUsage when none of them is known.
Result<std::string> default_state_folder();

}  // namespace ddsnap
