#include "ddsnap/delta/stored_delta.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace ddsnap {

Result<StoredDelta> StoredDelta::open(ByteSource& source) {
  return StoredDelta(source, DD_TRY(DeltaReader::open(source)));
}

Result<std::optional<DeltaFrame>> StoredDelta::next() {
  auto frame = DD_TRY(reader_.next());
  if (!frame) {
    DD_TRY(expect_end(*source_));
  } else {
    places_.push_back({.offset_bytes = frame->offset_bytes,
                       .end_chunk = frame->entries.back().end(),
                       .stored_bytes = frame->stored_bytes,
                       .first_chunk = frame->entries.front().first});
  }
  return frame;
}

Result<DeltaFrame> StoredDelta::load(std::size_t frame_nr) {
  const Place& place = places_[frame_nr];
  auto frame = read_frame(place);
  if (!frame)
    return with_context(
        fmt::format("{}, frame {} at byte {}", name(), frame_nr, place.offset_bytes),
        std::move(frame).error());
  frame->offset_bytes = place.offset_bytes;
  return frame;
}

Result<DeltaFrame> StoredDelta::read_frame(const Place& place) {
  DD_TRY(source_->seek_to(place.offset_bytes));
  std::vector<std::byte> bytes(place.stored_bytes);
  DD_TRY(read_fully(*source_, bytes));
  const auto whole = std::span<const std::byte>(bytes);
  DeltaFrame frame = DD_TRY(decode_delta_frame(header(), whole.first<kFrameHeaderStoredBytes>(),
                                               whole.subspan(kFrameHeaderStoredBytes)));
  if (frame.entries.front().first != place.first_chunk ||
      frame.entries.back().end() != place.end_chunk)
    return fail(ErrorCode::kDamaged, "it changed while it was read");
  return frame;
}

std::optional<std::size_t> StoredDelta::find(ChunkNr chunk) const {
  const auto after = std::upper_bound(
      places_.begin(), places_.end(), chunk,
      [](ChunkNr wanted, const Place& place) { return wanted < place.first_chunk; });
  if (after == places_.begin() || chunk.value >= std::prev(after)->end_chunk) return std::nullopt;
  return static_cast<std::size_t>(std::distance(places_.begin(), after)) - 1;
}

const FrameEntry* find_entry(const DeltaFrame& frame, ChunkNr chunk) {
  const auto after = std::upper_bound(
      frame.entries.begin(), frame.entries.end(), chunk,
      [](ChunkNr wanted, const FrameEntry& entry) { return wanted < entry.first; });
  if (after == frame.entries.begin() || chunk.value >= std::prev(after)->end()) return nullptr;
  return &*std::prev(after);
}

}  // namespace ddsnap
