#include "ddsnap/delta/frame_builder.h"

#include <algorithm>

#include "ddsnap/base/limits.h"

namespace ddsnap {

void FrameBuilder::add(const FrameEntry& entry, std::span<const std::byte> content,
                       std::span<const std::byte> old_content) {
  DD_CHECK(!is_full());
  append_entry(entries_, entry);
  if (entry.content != ContentKind::kData) return;
  content_.insert(content_.end(), content.begin(), content.end());
  old_content_.insert(old_content_.end(), old_content.begin(), old_content.end());
}

bool FrameBuilder::is_full() const {
  return content_.size() + chunk_bytes_ > frame_data_bytes_ || entries_.size() >= most_entries_;
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

Status FrameBuilder::encode(DeltaFrame& frame) {
  const auto is_unknown = [](const FrameEntry& entry) {
    return entry.content == ContentKind::kData && entry.before_kind == BeforeKind::kUnknown;
  };
  const bool may_differ = std::none_of(frame.entries.begin(), frame.entries.end(), is_unknown);
  std::vector<std::byte> into(content_.size());
  const auto prefix =
      may_differ ? std::span<const std::byte>(old_content_) : std::span<const std::byte>();
  const auto encoded = DD_TRY(encoder_.encode(content_, prefix, into));
  frame.encoding = encoded.encoding;
  frame.payload.assign(encoded.payload.begin(), encoded.payload.end());
  return {};
}

}  // namespace ddsnap
