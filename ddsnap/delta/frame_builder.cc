#include "ddsnap/delta/frame_builder.h"

#include <algorithm>

#include "ddsnap/base/limits.h"

namespace ddsnap {

void FrameBuilder::add(const FrameEntry& entry, std::span<const std::byte> content,
                       std::span<const std::byte> old_content) {
  DD_CHECK(!is_full());
  if (join(entry)) return;
  entries_.push_back(entry);
  if (entry.content != ContentKind::kData) return;
  content_.insert(content_.end(), content.begin(), content.end());
  old_content_.insert(old_content_.end(), old_content.begin(), old_content.end());
}

bool FrameBuilder::is_full() const {
  return content_.size() + chunk_bytes_ > frame_data_bytes_ || entries_.size() >= kMaxFrameEntries;
}

Result<std::optional<DeltaFrame>> FrameBuilder::take() {
  if (entries_.empty()) return std::nullopt;
  DeltaFrame frame;
  frame.data_bytes = static_cast<std::uint32_t>(content_.size());
  frame.entries = std::move(entries_);
  DD_TRY(encode(frame));
  entries_.clear();
  content_.clear();
  old_content_.clear();
  return frame;
}

bool FrameBuilder::join(const FrameEntry& entry) {
  const bool may_run =
      entry.content == ContentKind::kZero && entry.before_kind != BeforeKind::kKnown;
  if (!may_run || entries_.empty()) return false;
  FrameEntry& last = entries_.back();
  if (last.content != entry.content || last.before_kind != entry.before_kind ||
      last.end() != entry.first.value || last.count + entry.count > kMaxRunChunks)
    return false;
  last.count += entry.count;
  return true;
}

Status FrameBuilder::encode(DeltaFrame& frame) {
  if (content_.empty()) return {};
  const auto is_unknown = [](const FrameEntry& entry) {
    return entry.content == ContentKind::kData && entry.before_kind == BeforeKind::kUnknown;
  };
  const bool may_differ = mode_ != DeltaMode::kRaw && !old_content_.empty() &&
                          std::none_of(frame.entries.begin(), frame.entries.end(), is_unknown);
  if (may_differ) {
    frame.payload = DD_TRY(compressor_.compress_difference(content_, old_content_));
    if (!frame.payload.empty()) frame.encoding = Encoding::kZstdDifference;
  }
  if (frame.payload.empty() || mode_ == DeltaMode::kBest) {
    auto raw = DD_TRY(compressor_.compress(content_));
    if (!raw.empty() && (frame.payload.empty() || raw.size() < frame.payload.size())) {
      frame.payload = std::move(raw);
      frame.encoding = compressor_.encoding();
    }
  }
  if (frame.payload.empty()) frame.payload = content_;  // stored: it does not shrink
  return {};
}

}  // namespace ddsnap
