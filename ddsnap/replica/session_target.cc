#include "ddsnap/replica/session_target.h"

#include <sys/stat.h>

#include <algorithm>

#include "ddsnap/io/open_device.h"

namespace ddsnap {

// The window of the record (DELTA.md, section 4) says of a session: the snapshot that it leads to
// where a delta's uuid would be, chunks where frames would be, and an attachment for an undo.
std::optional<CutTransfer> cut_of(const TargetState& state) {
  if (!state.window) return std::nullopt;
  const std::uint64_t next = std::min<std::uint64_t>(state.window->first_frame, kMaxChunks);
  const std::uint64_t doubt = std::min<std::uint64_t>(state.window->frame_count, kMaxChunks - next);
  return CutTransfer{.from = state.snapshot_uuid,
                     .to = state.window->delta_uuid,
                     .next = next,
                     .doubt_end = next + doubt,
                     .writer = state.window->undo_frames};
}

std::optional<CutTransfer> cut_of_volume(const TargetState& state, std::span<const Uuid> held) {
  const auto cut = cut_of(state);
  if (!cut) return std::nullopt;
  const bool is_there = std::ranges::find(held, cut->to) != held.end();
  const bool is_from_newest = cut->from.is_nil() || (!held.empty() && held.front() == cut->from);
  if (is_there || !is_from_newest) return std::nullopt;
  return cut;
}

TargetState state_during(TargetState state, const CutTransfer& cut) {
  ApplyWindow window;
  window.delta_uuid = cut.to;
  window.first_frame = cut.next;
  window.frame_count = cut.doubt_end - cut.next;
  window.undo_frames = cut.writer;
  window.first_chunk = {static_cast<std::uint32_t>(std::min(cut.next, kMaxChunks - 1))};
  window.last_chunk = {static_cast<std::uint32_t>(std::max<std::uint64_t>(
      window.first_chunk.value, cut.doubt_end == 0 ? 0 : cut.doubt_end - 1))};
  state.snapshot_uuid = cut.from;
  state.window = std::move(window);
  return state;
}

TargetState state_behind(TargetState state, const StartSession& start,
                         const TargetSamples& samples) {
  state.window.reset();
  state.snapshot_uuid = start.to;
  state.samples = samples;
  state.is_touched = false;
  return state;
}

Result<std::unique_ptr<SessionTarget>> open_session_target(const std::string& name) {
  if (name.starts_with(kDdsnapScheme)) return open_volume_target(name.substr(kDdsnapScheme.size()));
  struct stat facts{};
  const bool is_socket =
      name.starts_with('@') || (::stat(name.c_str(), &facts) == 0 && S_ISSOCK(facts.st_mode));
  return is_socket ? open_volume_target(name) : open_device_target(name);
}

}  // namespace ddsnap
