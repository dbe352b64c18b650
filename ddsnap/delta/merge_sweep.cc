#include "ddsnap/delta/merge_sweep.h"

#include <algorithm>
#include <utility>

namespace ddsnap {

Result<std::optional<MergeSegment>> MergeSweep::next() {
  DD_TRY(settle());
  const auto first = lowest();
  if (!first) return std::nullopt;
  std::uint64_t end = UINT64_MAX;
  for (const std::uint64_t border : borders_)
    if (border > *first) end = std::min(end, border);
  for (std::size_t layer = 0; layer < cursors_.size(); ++layer) {
    const Cursor& cursor = cursors_[layer];
    if (cursor.is_at_end) continue;
    if (cursor.first() != *first) {
      end = std::min(end, cursor.first());
      continue;
    }
    end = std::min(end, cursor.entry().end());
    entries_.push_back({layer, &*cursor.frame, &cursor.entry()});
  }
  segment_count_ = static_cast<std::uint32_t>(end - *first);
  return MergeSegment{{{static_cast<std::uint32_t>(*first)}, segment_count_}, entries_};
}

Result<std::optional<LayerEntry>> MergeSweep::whole_frame() {
  DD_TRY(settle());
  const auto first = lowest();
  if (!first) return std::nullopt;
  const auto begins = [&](const Cursor& cursor) {
    return !cursor.is_at_end && cursor.first() == *first;
  };
  const auto found = std::find_if(cursors_.begin(), cursors_.end(), begins);
  if (found->entry_index != 0 || found->in_entry != 0) return std::nullopt;
  const std::uint64_t end = found->frame->entries.back().end();
  for (const Cursor& cursor : cursors_)
    if (&cursor != &*found && !cursor.is_at_end && cursor.first() < end) return std::nullopt;
  return LayerEntry{static_cast<std::size_t>(found - cursors_.begin()), &*found->frame,
                    &found->entry()};
}

DeltaFrame MergeSweep::take_whole_frame(std::size_t layer) {
  Cursor& cursor = cursors_[layer];
  DeltaFrame frame = *std::move(cursor.frame);
  cursor.frame.reset();
  return frame;
}

Status MergeSweep::settle() {
  for (const LayerEntry& done : entries_) {
    Cursor& cursor = cursors_[done.layer];
    cursor.in_entry += segment_count_;
    if (cursor.in_entry < cursor.entry().count) continue;
    cursor.in_entry = 0;
    if (++cursor.entry_index == cursor.frame->entries.size()) cursor.frame.reset();
  }
  entries_.clear();
  for (std::size_t layer = 0; layer < cursors_.size(); ++layer)
    if (!cursors_[layer].frame && !cursors_[layer].is_at_end)
      DD_TRY(advance(cursors_[layer], layer));
  return {};
}

Status MergeSweep::advance(Cursor& cursor, std::size_t layer) {
  cursor.frame = DD_TRY(feed_(layer));
  cursor.entry_index = 0;
  cursor.in_entry = 0;
  cursor.is_at_end = !cursor.frame;
  return {};
}

std::optional<std::uint64_t> MergeSweep::lowest() const {
  std::optional<std::uint64_t> first;
  for (const Cursor& cursor : cursors_)
    if (!cursor.is_at_end && (!first || cursor.first() < *first)) first = cursor.first();
  return first;
}

}  // namespace ddsnap
