#include "ddsnap/delta/merge_delta.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ddsnap/base/limits.h"
#include "ddsnap/base/ordered_pipeline.h"
#include "ddsnap/delta/chunk_io.h"
#include "ddsnap/delta/delta_writer.h"
#include "ddsnap/delta/frame_builder.h"
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

Status check_base(const BlockDevice& base, const DeltaHeader& merged) {
  if (base.size_bytes() != merged.from_bytes)
    return fail(ErrorCode::kUsage,
                fmt::format("{} has {} bytes, but the first delta starts from a volume of {}",
                            base.name(), base.size_bytes(), merged.from_bytes));
  const std::string proven = base.proven_snapshot_uuid();
  if (!proven.empty() && !merged.from_uuid.is_nil() &&
      DD_TRY(Uuid::parse(proven)) != merged.from_uuid)
    return fail(ErrorCode::kUsage,
                fmt::format("{} is snapshot {}, but the first delta starts from "
                            "'{}' {}",
                            base.name(), proven, merged.from_tag, merged.from_uuid.to_string()));
  return check_holds_volume(base, merged.from_geometry());
}

// The second pass.
class Merger {
 public:
  Merger(Chain& chain, BlockDevice* base, const MergeOptions& options, WorkContext& context,
         ByteSink& sink)
      : chain_(chain),
        merged_(chain.merged),
        codec_(options.codec),
        context_(context),
        next_frame_(chain.deltas.size()),
        sweep_(
            chain.deltas.size(), [this](std::size_t layer) { return feed(layer); },
            merge_borders(merged_)),
        content_(chain.deltas, base),
        writer_(sink, merged_) {
    if (base != nullptr) base_.emplace(*base, merged_.from_geometry());
  }

  Result<MergeReport> run() {
    DD_TRY(writer_.begin());
    OrderedPipeline<Job>::Stages stages{
        .produce = [this](Job& job) { return fill(job); },
        .work = [](Job& job, unsigned) { return job.encode(); },
        .consume = [this](Job& job) { return write(job); },
    };
    OrderedPipeline<Job> pipeline(
        {.workers = context_.workers, .memory_bytes = context_.memory_bytes}, context_.interruption,
        stages);
    DD_TRY(pipeline.run());
    if (chunks_done_ != merged_.chunk_count)
      return fail(ErrorCode::kDamaged, "a delta changed while it was read");
    report_.header = merged_;
    report_.totals = DD_TRY(writer_.finish());
    return report_;
  }

 private:
  // What becomes a frame. Buffers are used again.
  struct Job {
    std::unique_ptr<FrameBuilder> builder;
    std::optional<DeltaFrame> frame;
    std::size_t content_bytes = 0;

    std::size_t weight_bytes() const { return content_bytes * 2 + kFrameHeaderStoredBytes; }
    Status encode() {
      if (!frame) frame = DD_TRY(builder->take());
      return {};
    }
  };

  Result<std::optional<DeltaFrame>> feed(std::size_t layer) {
    StoredDelta& delta = chain_.deltas[layer];
    if (next_frame_[layer] == delta.frame_count()) return std::nullopt;
    return DD_TRY(delta.load(next_frame_[layer]++));
  }

  Result<bool> fill(Job& job) {
    job.frame.reset();
    job.content_bytes = 0;
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

  Result<bool> take_whole_frame(Job& job) {
    auto entries = DD_TRY(next_whole_frame());
    if (!entries) return false;
    const auto next = DD_TRY(sweep_.whole_frame());
    job.frame = sweep_.take_whole_frame(next->layer);
    job.frame->entries = std::move(entries->entries);
    job.content_bytes = job.frame->payload.size();
    ++report_.frames_as_they_were;
    return true;
  }

  bool has_room() const {
    return bytes_.size() + chunk_bytes_ <= merged_.frame_data_bytes &&
           gathered_.size() < kMaxFrameEntries;
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

  Result<bool> build(Job& job) {
    if (!job.builder) job.builder = std::make_unique<FrameBuilder>(merged_, codec_);
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

  Status write(Job& job) {
    if (!job.frame) return {};
    DD_TRY(context_.rate_limit.take(job.frame->data_bytes, context_.interruption));
    DD_TRY(writer_.write(*job.frame));
    for (const FrameEntry& entry : job.frame->entries) chunks_done_ += entry.count;
    context_.report({.chunks_done = chunks_done_,
                     .chunks_total = merged_.chunk_count,
                     .chunk_bytes = chunk_bytes_,
                     .address_bytes = job.frame->entries.back().end() << merged_.chunk_shift});
    return {};
  }

  Chain& chain_;
  const DeltaHeader& merged_;
  const CodecChoice codec_;
  WorkContext& context_;
  const std::size_t chunk_bytes_ = merged_.to_geometry().chunk_bytes();

  // Used by the thread that produces.
  std::vector<std::size_t> next_frame_;
  MergeSweep sweep_;
  LayeredContent content_;
  std::optional<ChunkIo> base_;
  std::vector<FrameEntry> gathered_;
  std::vector<std::byte> bytes_;
  std::vector<std::byte> old_bytes_;
  MergeReport report_;  // read by the caller's thread when the pipeline has ended

  // Used by the thread that consumes.
  DeltaWriter writer_;
  std::uint64_t chunks_done_ = 0;
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
  DD_TRY(check_and_count(chain, context));
  return Merger(chain, base, options, context, sink).run();
}

}  // namespace ddsnap
