#include "ddsnap/delta/undo_content.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <optional>

#include "ddsnap/base/ordered_pipeline.h"
#include "ddsnap/delta/chunk_io.h"
#include "ddsnap/delta/frame_builder.h"
#include "ddsnap/delta/present.h"

namespace ddsnap {

namespace {

constexpr CodecChoice kUndoCodec{.codec = Codec::kZstd, .level = 1};

struct UndoJob {
  std::vector<ChunkNr> chunks;
  std::vector<UndoItem> items;  // one a chunk
  AlignedBuffer old_content;
  std::optional<DeltaFrame> frame;

  std::size_t weight_bytes() const { return old_content.size() * 2; }
};

// Cuts the items into jobs of a frame's size and reads what they name.
class UndoReader {
 public:
  UndoReader(const DeltaHeader& header, std::span<const UndoItem> items, BlockDevice& target)
      : header_(header), items_(items), io_(target, header.to_geometry()) {}

  Result<bool> next(UndoJob& job) {
    job.chunks.clear();
    job.items.clear();
    const std::size_t most = header_.frame_data_bytes >> header_.chunk_shift;
    while (job.chunks.size() < most && !items_.empty()) take_one(job);
    if (job.chunks.empty()) return false;
    const std::size_t bytes = most << header_.chunk_shift;
    if (job.old_content.size() < bytes) job.old_content = AlignedBuffer(bytes);
    DD_TRY(io_.read(job.chunks, job.old_content.span()));
    return true;
  }

 private:
  void take_one(UndoJob& job) {
    const UndoItem& item = items_.front();
    const ChunkNr chunk{item.entry.first.value + done_of_first_};
    if (chunk.value < header_.to_geometry().chunk_count()) {
      job.chunks.push_back(chunk);
      job.items.push_back(item);
      job.items.back().entry.first = chunk;
      job.items.back().entry.count = 1;
    }
    if (++done_of_first_ < item.entry.count) return;
    done_of_first_ = 0;
    items_ = items_.subspan(1);
  }

  const DeltaHeader& header_;
  std::span<const UndoItem> items_;
  std::uint32_t done_of_first_ = 0;
  ChunkIo io_;
};

// What the chunk will hold below the smaller volume's end: the undo's "before".
ChunkHash hash_before(const DeltaHeader& header, const UndoItem& item) {
  if (!header.is_boundary(item.entry.first)) return item.entry.after;
  if (item.content.empty()) return hash_of_zero_chunk(header.chunk_shift);
  std::vector<std::byte> cut(item.content.begin(), item.content.end());
  cut_boundary(header, item.entry.first, cut);
  return hash_chunk(cut);
}

Result<FrameEntry> undo_entry(const DeltaHeader& header, const UndoItem& item,
                              std::span<const std::byte> old_content) {
  FrameEntry entry{.first = item.entry.first};
  entry.before_kind = header.is_new(entry.first) ? BeforeKind::kNew : BeforeKind::kKnown;
  if (entry.before_kind == BeforeKind::kKnown) entry.before = hash_before(header, item);
  entry.after = hash_chunk(old_content);
  if (item.entry.content == ContentKind::kSame) {
    entry.content = ContentKind::kSame;
    if (entry.before != entry.after)
      return fail(ErrorCode::kFailed,
                  fmt::format("chunk {} changed while the delta was applied", entry.first.value));
  } else if (is_all_zero(old_content)) {
    entry.content = ContentKind::kZero;
  }
  return entry;
}

Status encode(const DeltaHeader& header, FrameBuilder& builder, UndoJob& job) {
  const std::size_t chunk_bytes = header.to_geometry().chunk_bytes();
  for (std::size_t i = 0; i < job.items.size(); ++i) {
    const auto old_content =
        std::span<const std::byte>(job.old_content.span()).subspan(i * chunk_bytes, chunk_bytes);
    builder.add(DD_TRY(undo_entry(header, job.items[i], old_content)), old_content, {});
  }
  job.frame = DD_TRY(builder.take());
  return {};
}

}  // namespace

Result<std::uint64_t> write_undo_frames(const DeltaHeader& header, std::span<const UndoItem> items,
                                        BlockDevice& target, DeltaWriter& writer,
                                        const WorkContext& context) {
  std::uint64_t frames = 0;
  const PipelineLimits limits{.workers = context.workers,
                              .memory_bytes = context.memory_bytes / 16,
                              .max_jobs = kMaxFramesInFlight};
  UndoReader reader(header, items, target);
  std::deque<FrameBuilder> builders;
  for (unsigned i = 0; i < std::max(limits.workers, 1u); ++i)
    builders.emplace_back(header, kUndoCodec);
  OrderedPipeline<UndoJob>::Stages stages{
      .produce = [&](UndoJob& job) { return reader.next(job); },
      .work = [&](UndoJob& job, unsigned worker) { return encode(header, builders[worker], job); },
      .consume = [&](UndoJob& job) -> Status {
        DD_TRY(writer.write(*job.frame));
        ++frames;
        return {};
      }};
  DD_TRY(OrderedPipeline<UndoJob>(limits, context.interruption, stages).run());
  return frames;
}

}  // namespace ddsnap
