#include "ddsnap/delta/merge_delta.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "ddsnap/base/limits.h"
#include "ddsnap/delta/base_device.h"
#include "ddsnap/delta/chunk_io.h"
#include "ddsnap/delta/frame_pipeline.h"
#include "ddsnap/delta/layered_content.h"
#include "ddsnap/delta/merge_rules.h"
#include "ddsnap/delta/merge_sweep.h"
#include "ddsnap/delta/stored_delta.h"

namespace ddsnap {

namespace {

constexpr std::uint64_t kSegmentsPerCheck = 4096;  // a check is a system call

struct Chain {
  std::vector<StoredDelta> deltas;
  std::vector<DeltaHeader> headers;
  std::vector<std::string> names;
  DeltaHeader merged;
};

Result<Chain> open_chain(std::span<ByteSource* const> sources) {
  if (sources.empty() || sources.size() > kMaxMergedDeltas)
    return fail(ErrorCode::kUsage,
                fmt::format("{} deltas at once are too few or too many", sources.size()));
  Chain chain;
  for (ByteSource* const source : sources) {
    if (!source->can_rewind())
      return fail(ErrorCode::kUsage, source->name() + " is a pipe, and is needed twice");
    chain.deltas.push_back(DD_TRY(StoredDelta::open(*source)));
    chain.headers.push_back(chain.deltas.back().header());
    chain.names.push_back(source->name());
  }
  chain.merged = DD_TRY(chain_headers(chain.headers, chain.names));
  return chain;
}

// The first pass: every stream to its end, every chunk's past, and how many chunks remain.
Status check_and_count(Chain& chain, const WorkContext& context) {
  MergeSweep sweep(
      chain.deltas.size(), [&](std::size_t layer) { return chain.deltas[layer].next(); },
      merge_borders(chain.merged));
  chain.merged.chunk_count = 0;
  Status follows;  // the first that does not; damage further on is the better reason
  std::uint64_t count = 0;
  while (const auto segment = DD_TRY(sweep.next())) {
    if (count++ % kSegmentsPerCheck == 0) DD_TRY(context.interruption.check());
    if (follows) follows = check_follows(chain.headers, chain.names, *segment);
    if (merge_entries(chain.headers, chain.merged, *segment))
      chain.merged.chunk_count += segment->chunks.count;
  }
  return follows;
}

// The second pass.
class Merger {
 public:
  Merger(Chain& chain, BlockDevice* base)
      : chain_(chain),
        merged_(chain.merged),
        next_frame_(chain.deltas.size()),
        sweep_(
            chain.deltas.size(), [this](std::size_t layer) { return feed(layer); },
            merge_borders(merged_)),
        content_(chain.deltas, base) {
    if (base != nullptr) base_.emplace(*base, merged_.from_geometry());
  }

  Result<bool> fill(FrameJob& job) {
    if (DD_TRY(take_whole_frame(job))) return true;
    gathered_.clear();
    bytes_.clear();
    while (has_room() && (gathered_.empty() || !DD_TRY(next_whole_frame()))) {
      const auto segment = DD_TRY(sweep_.next());
      if (!segment) break;
      if (const auto merged = merge_entries(chain_.headers, merged_, *segment))
        DD_TRY(gather(*merged));
    }
    if (gathered_.empty()) return false;
    return build(job);
  }

  std::uint64_t frames_as_they_were() const { return frames_as_they_were_; }

 private:
  Result<std::optional<DeltaFrame>> feed(std::size_t layer) {
    StoredDelta& delta = chain_.deltas[layer];
    if (next_frame_[layer] == delta.frame_count()) return std::nullopt;
    return DD_TRY(delta.load(next_frame_[layer]++));
  }

  // A frame that stays as it is, its entries apart.
  Result<std::optional<DeltaFrame>> next_whole_frame() {
    const auto next = DD_TRY(sweep_.whole_frame());
    if (!next || !is_worth_keeping(*next->frame)) return std::nullopt;
    DeltaFrame frame;
    for (const FrameEntry& entry : next->frame->entries) {
      const LayerEntry own{next->layer, next->frame, &entry};
      const auto merged =
          merge_entries(chain_.headers, merged_, {{entry.first, entry.count}, std::span(&own, 1)});
      if (!merged || crosses_border(entry) || !fits_in_place(*next->frame, entry, merged->entry))
        return std::nullopt;
      frame.entries.push_back(merged->entry);
    }
    return frame;
  }

  // Small frames are put together anew, but for differences, whose old content may not be there.
  bool is_worth_keeping(const DeltaFrame& frame) const {
    return frame.encoding == Encoding::kZstdDifference ||
           frame.data_bytes >= merged_.frame_data_bytes / 2;
  }

  bool crosses_border(const FrameEntry& entry) const {
    for (const std::uint64_t border : merge_borders(merged_))
      if (entry.first.value < border && border < entry.end()) return true;
    return false;
  }

  // Whether the payload still means the same when the entry says what is known now.
  static bool fits_in_place(const DeltaFrame& frame, const FrameEntry& was, const FrameEntry& is) {
    if (is.content == ContentKind::kSame) return is.before_kind == BeforeKind::kKnown;
    return is.content != ContentKind::kData || frame.encoding != Encoding::kZstdDifference ||
           was.before_kind == is.before_kind;
  }

  Result<bool> take_whole_frame(FrameJob& job) {
    auto entries = DD_TRY(next_whole_frame());
    if (!entries) return false;
    const auto next = DD_TRY(sweep_.whole_frame());
    job.frame = sweep_.take_whole_frame(next->layer);
    job.frame->entries = std::move(entries->entries);
    job.content_bytes = job.frame->payload.size();
    ++frames_as_they_were_;
    return true;
  }

  bool has_room() const {
    return bytes_.size() + chunk_bytes_ <= merged_.frame_data_bytes &&
           gathered_.size() < merged_.most_frame_entries();
  }

  Status gather(const MergedEntry& merged) {
    if (merged.entry.content == ContentKind::kSame &&
        merged.entry.before_kind != BeforeKind::kKnown)
      return fail(ErrorCode::kDamaged,
                  fmt::format("chunk {} is said to be unchanged where volumes change their size",
                              merged.entry.first.value));
    gathered_.push_back(merged.entry);
    if (merged.entry.content != ContentKind::kData) return {};
    const LayerEntry& from = merged.content;
    const auto content = DD_TRY(content_.content_of(from.layer, *from.frame));
    const std::size_t at = content_offset(chain_.headers[from.layer], *from.frame, *from.entry);
    const auto chunk = std::span(*content).subspan(at, chunk_bytes_);
    bytes_.insert(bytes_.end(), chunk.begin(), chunk.end());
    return {};
  }

  Result<bool> build(FrameJob& job) {
    DD_TRY(read_old());
    std::size_t at = 0;
    std::size_t old_at = 0;
    for (const FrameEntry& entry : gathered_) {
      std::span<const std::byte> content, old_content;
      if (entry.content == ContentKind::kData) {
        content = std::span(bytes_).subspan(at, chunk_bytes_);
        at += chunk_bytes_;
        if (base_ && entry.before_kind == BeforeKind::kKnown) {
          old_content = std::span(old_bytes_).subspan(old_at, chunk_bytes_);
          old_at += chunk_bytes_;
        }
      }
      job.builder->add(entry, content, old_content);
    }
    job.content_bytes = bytes_.size() + old_bytes_.size();
    return true;
  }

  // What the gathered chunks held before, from the base, proven by their hashes.
  Status read_old() {
    old_bytes_.clear();
    if (!base_) return {};
    std::vector<ChunkNr> chunks;
    std::vector<ChunkHash> hashes;
    for (const FrameEntry& entry : gathered_) {
      if (entry.content != ContentKind::kData || entry.before_kind != BeforeKind::kKnown) continue;
      chunks.push_back(entry.first);
      hashes.push_back(entry.before);
    }
    old_bytes_.resize(chunks.size() * chunk_bytes_);
    DD_TRY(base_->read(chunks, old_bytes_));
    for (std::size_t i = 0; i < chunks.size(); ++i) {
      const auto chunk = std::span(old_bytes_).subspan(i * chunk_bytes_, chunk_bytes_);
      const std::size_t own = bytes_below(merged_.to_geometry(), chunks[i], merged_.common_bytes());
      std::memset(chunk.data() + own, 0, chunk_bytes_ - own);
      if (hash_chunk(chunk) != hashes[i])
        return fail(ErrorCode::kFailed,
                    fmt::format("{} does not hold what {} starts from: chunk {} differs",
                                base_->device().name(), chain_.names.front(), chunks[i].value));
    }
    return {};
  }

  Chain& chain_;
  const DeltaHeader& merged_;
  const std::size_t chunk_bytes_ = merged_.to_geometry().chunk_bytes();

  std::vector<std::size_t> next_frame_;
  MergeSweep sweep_;
  LayeredContent content_;
  std::optional<ChunkIo> base_;
  std::vector<FrameEntry> gathered_;
  std::vector<std::byte> bytes_;
  std::vector<std::byte> old_bytes_;
  std::uint64_t frames_as_they_were_ = 0;
};

}  // namespace

Result<MergeReport> merge_deltas(std::span<ByteSource* const> sources, BlockDevice* base,
                                 const MergeOptions& options, RandomSource& random,
                                 WorkContext& context, ByteSink& sink) {
  Chain chain = DD_TRY(open_chain(sources));
  DeltaHeader& merged = chain.merged;
  if (merged.is_full()) base = nullptr;
  if (base != nullptr) DD_TRY(check_base(*base, merged));
  const bool is_raw = base == nullptr && std::all_of(chain.headers.begin(), chain.headers.end(),
                                                     [](const DeltaHeader& header) {
                                                       return header.mode == DeltaMode::kRaw;
                                                     });
  merged.mode = is_raw ? DeltaMode::kRaw : DeltaMode::kBest;
  merged.delta_uuid = Uuid::make(random);
  merged.created_ns = options.created_ns;
  DD_TRY(check_frame_memory(merged, kFramesInMemory, context.memory_bytes));
  DD_TRY(check_and_count(chain, context));
  Merger merger(chain, base);
  const DeltaTotals totals = DD_TRY(write_frames(
      merged, options.codec, [&](FrameJob& job) { return merger.fill(job); }, context, sink));
  return MergeReport{merged, totals, merger.frames_as_they_were()};
}

}  // namespace ddsnap
