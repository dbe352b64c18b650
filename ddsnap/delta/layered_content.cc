#include "ddsnap/delta/layered_content.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "ddsnap/base/limits.h"
#include "ddsnap/delta/merge_rules.h"

namespace ddsnap {

LayeredContent::LayeredContent(std::span<StoredDelta> deltas, BlockDevice* base) : deltas_(deltas) {
  if (base != nullptr) base_.emplace(*base, deltas.front().header().from_geometry());
}

Result<LayeredContent::SharedBytes> LayeredContent::content_of(std::size_t layer,
                                                               const DeltaFrame& frame) {
  const Key key{layer, frame.frame_nr};
  if (const auto found = kept_.find(key); found != kept_.end() && found->second.content)
    return keep(key).content;
  const auto prefix = DD_TRY(prefix_of(layer, frame));
  auto content = decoder_.decode(deltas_[layer].header(), frame, prefix);
  if (!content)
    return with_context(fmt::format("{}, frame {}", deltas_[layer].name(), frame.frame_nr),
                        std::move(content).error());
  const auto shared = std::make_shared<const std::vector<std::byte>>(*std::move(content));
  Kept& kept = keep(key);
  kept.content = shared;
  add_size(kept, shared->size());
  return shared;
}

Result<std::vector<std::byte>> LayeredContent::prefix_of(std::size_t layer,
                                                         const DeltaFrame& frame) {
  std::vector<std::byte> prefix;
  if (frame.encoding != Encoding::kZstdDifference) return prefix;
  const DeltaHeader& header = deltas_[layer].header();
  const std::size_t chunk_bytes = header.to_geometry().chunk_bytes();
  for (const FrameEntry& entry : frame.entries) {
    if (entry.content != ContentKind::kData || entry.before_kind != BeforeKind::kKnown) continue;
    prefix.resize(prefix.size() + chunk_bytes);
    const auto chunk = std::span(prefix).last(chunk_bytes);
    DD_TRY(chunk_before(layer, entry.first, chunk));
    const std::size_t own = bytes_below(header.to_geometry(), entry.first, header.common_bytes());
    std::memset(chunk.data() + own, 0, chunk_bytes - own);
    if (hash_chunk(chunk) != entry.before)
      return fail(ErrorCode::kFailed,
                  fmt::format("{} starts from another content of chunk {} than {} has",
                              deltas_[layer].name(), entry.first.value,
                              base_ ? base_->device().name() : "the delta before it"));
  }
  return prefix;
}

Status LayeredContent::chunk_before(std::size_t layer, ChunkNr chunk, std::span<std::byte> into) {
  for (std::size_t older = layer; older-- > 0;) {
    const auto frame_nr = deltas_[older].find(chunk);
    if (!frame_nr) continue;
    const auto frame = DD_TRY(frame_at({older, *frame_nr}));
    const FrameEntry* const entry = find_entry(*frame, chunk);
    if (entry == nullptr || entry->content == ContentKind::kSame) continue;
    if (entry->content == ContentKind::kZero) {
      std::memset(into.data(), 0, into.size());
      return {};
    }
    const SharedBytes content = DD_TRY(content_of(older, *frame));
    const std::size_t at = content_offset(deltas_[older].header(), *frame, *entry);
    std::memcpy(into.data(), content->data() + at, into.size());
    return {};
  }
  if (base_) return base_->read(std::span(&chunk, 1), into);
  return fail(
      ErrorCode::kUsage,
      fmt::format("{} holds chunk {} as a difference to content that no delta here has: give a "
                  "device that holds snapshot '{}' with --base, or make deltas with -r",
                  deltas_[layer].name(), chunk.value, deltas_.front().header().from_tag));
}

Result<std::shared_ptr<const DeltaFrame>> LayeredContent::frame_at(const Key& key) {
  if (const auto found = kept_.find(key); found != kept_.end() && found->second.frame)
    return keep(key).frame;
  const auto shared =
      std::make_shared<const DeltaFrame>(DD_TRY(deltas_[key.layer].load(key.frame_nr)));
  Kept& kept = keep(key);
  kept.frame = shared;
  add_size(kept, shared->payload.size() + shared->entries.size() * sizeof(FrameEntry));
  return shared;
}

// What is asked for goes to the front; what was not for longest leaves when room is short.
LayeredContent::Kept& LayeredContent::keep(const Key& key) {
  auto [found, is_new] = kept_.try_emplace(key);
  if (is_new) {
    use_order_.push_front(key);
    found->second.in_use_order = use_order_.begin();
  } else {
    use_order_.splice(use_order_.begin(), use_order_, found->second.in_use_order);
  }
  return found->second;
}

void LayeredContent::add_size(Kept& kept, std::size_t bytes) {
  kept.size_bytes += bytes;
  kept_bytes_ += bytes;
  while (kept_bytes_ > kMergeCacheBytes && use_order_.size() > 1) {
    const auto oldest = kept_.find(use_order_.back());
    kept_bytes_ -= oldest->second.size_bytes;
    kept_.erase(oldest);
    use_order_.pop_back();
  }
}

std::size_t content_offset(const DeltaHeader& header, const DeltaFrame& frame,
                           const FrameEntry& entry) {
  const auto place = frame.entries.begin() + (&entry - frame.entries.data());
  const auto data_chunks = std::count_if(frame.entries.begin(), place, [](const FrameEntry& one) {
    return one.content == ContentKind::kData;
  });
  return static_cast<std::size_t>(data_chunks) * header.to_geometry().chunk_bytes();
}

}  // namespace ddsnap
