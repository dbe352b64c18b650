#include "ddsnap/delta/create_delta.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <utility>
#include <vector>

#include "ddsnap/base/ordered_pipeline.h"
#include "ddsnap/base/turn_pipeline.h"
#include "ddsnap/delta/chunk_io.h"
#include "ddsnap/delta/create_reader.h"
#include "ddsnap/delta/create_worker.h"
#include "ddsnap/delta/delta_writer.h"

namespace ddsnap {

namespace {

// Whether the device proves to be the snapshot; refused when it proves to be another, or none (D5).
Result<bool> prove(const BlockDevice& device, const Uuid& uuid, const std::string& tag) {
  const std::string text = device.proven_snapshot_uuid();
  if (text.empty()) return false;
  const Uuid proven = DD_TRY(Uuid::parse(text));
  if (proven.is_nil())
    return fail(ErrorCode::kUsage, device.name() +
                                       " is a live origin and no instant: name one of "
                                       "its snapshots");
  if (uuid.is_nil()) return false;
  if (proven == uuid) return true;
  return fail(ErrorCode::kUsage,
              fmt::format("{} is snapshot {}, but the changelist names '{}' {}", device.name(),
                          proven.to_string(), tag, uuid.to_string()));
}

Status check_size(const BlockDevice& device, std::uint64_t wanted_bytes) {
  if (device.size_bytes() == wanted_bytes) return {};
  return fail(ErrorCode::kUsage, fmt::format("{} has {} bytes, but the changelist says {}",
                                             device.name(), device.size_bytes(), wanted_bytes));
}

std::uint64_t count_below(const Changelist& list, std::uint64_t end) {
  std::uint64_t count = 0;
  for (const ChunkRange& range : list.ranges)
    if (range.first.value < end) count += std::min(range.end(), end) - range.first.value;
  return count;
}

// The header but for what the devices prove.
Result<DeltaHeader> make_header(const Changelist& list, const CreateDeltaOptions& options,
                                RandomSource& random) {
  DeltaHeader header;
  header.delta_uuid = Uuid::make(random);
  header.from_uuid = list.from_uuid;
  header.to_uuid = list.to_uuid;
  header.from_tag = list.from_tag;
  header.to_tag = list.to_tag;
  header.from_bytes = list.from_bytes;
  header.to_bytes = list.to_bytes;
  header.created_ns = options.created_ns;
  header.chunk_shift = list.chunk_shift;
  if (options.is_reverse) {
    if (list.is_full())
      return fail(ErrorCode::kUsage, "a full changelist has no older side to go back to");
    std::swap(header.from_uuid, header.to_uuid);
    std::swap(header.from_tag, header.to_tag);
    std::swap(header.from_bytes, header.to_bytes);
  }
  header.chunk_count = count_below(list, header.to_geometry().chunk_count());
  header.frame_data_bytes = std::clamp(options.frame_data_bytes, header.to_geometry().chunk_bytes(),
                                       kMaxLongFrameDataBytes);
  header.mode = options.mode;
  header.is_trimmed = options.is_trimmed && !header.is_full();
  return header;
}

Status check_devices(const Changelist& list, const DeltaHeader& header, const BlockDevice* from,
                     const BlockDevice& to) {
  if (list.to_is_now)
    return fail(ErrorCode::kUsage,
                "the changelist ends \"now\", which is no snapshot: create one and list up to it");
  DD_TRY(check_size(to, header.to_bytes));
  DD_TRY(check_holds_volume(to, header.to_geometry()));
  if (from == nullptr && !header.is_full() && (header.mode != DeltaMode::kRaw || header.is_trimmed))
    return fail(ErrorCode::kUsage, "a difference needs the old device; without it only raw mode");
  if (from == nullptr) return {};
  DD_TRY(check_size(*from, header.from_bytes));
  return check_holds_volume(*from, header.from_geometry());
}

bool needs_old_content(const Changelist& list, const DeltaHeader& header, bool is_reverse) {
  if (header.is_full()) return false;
  if (is_reverse || header.is_trimmed || header.mode != DeltaMode::kRaw || list.before.empty())
    return true;
  ChangelistCursor cursor(list);
  const std::uint64_t volume_end = header.to_geometry().chunk_count();
  for (auto item = cursor.next(); item && item->chunk.value < volume_end; item = cursor.next()) {
    const bool is_cut = header.from_bytes > header.to_bytes && header.is_boundary(item->chunk);
    if (!header.is_new(item->chunk) && (!item->before || is_cut)) return true;
  }
  return false;
}

// The last stage: frames in their order. Those without content wait for one that has some, so that
// long stretches of zeros do not become many small frames.
class FrameJoiner {
 public:
  FrameJoiner(DeltaWriter& writer, std::uint32_t most_entries, CreateDeltaReport& report)
      : writer_(writer), most_entries_(most_entries), report_(report) {}

  Status add(MadeFrame& made) {
    DeltaFrame& frame = made.frame;
    if (waiting_.size() + frame.entries.size() > most_entries_) DD_TRY(finish());
    for (const FrameEntry& entry : frame.entries) append_entry(waiting_, entry);
    if (frame.data_bytes == 0) return {};
    frame.entries = std::exchange(waiting_, {});
    return write(frame, made.payload);
  }

  Status finish() {
    if (waiting_.empty()) return {};
    DeltaFrame frame;
    frame.entries = std::exchange(waiting_, {});
    return write(frame, {});
  }

 private:
  Status write(DeltaFrame& frame, std::span<const std::byte> payload) {
    ++report_.frames_by_encoding[static_cast<std::size_t>(frame.encoding)];
    for (const FrameEntry& entry : frame.entries)
      if (entry.before_kind == BeforeKind::kUnknown) report_.unknown_chunks += entry.count;
    return writer_.write(frame, payload);
  }

  DeltaWriter& writer_;
  const std::uint32_t most_entries_;
  CreateDeltaReport& report_;
  std::vector<FrameEntry> waiting_;
};

class Creator {
 public:
  Creator(const Changelist& list, const DeltaHeader& header, BlockDevice* from, BlockDevice& to,
          const CreateDeltaOptions& options, WorkContext& context, ByteSink& sink)
      : header_(header),
        context_(context),
        sources_{from != nullptr ? from->name() : std::string(), to.name()},
        // What is not compressed is read by who hashes it, and gone before it leaves the caches.
        is_in_turns_(options.codec.codec == Codec::kNone &&
                     (header.mode == DeltaMode::kRaw || from == nullptr)),
        job_bytes_(std::max<std::size_t>(header.frame_data_bytes, kReadPieceBytes)),
        reader_(list, header, from, to, options.is_reverse, job_bytes_, context),
        writer_(sink, header),
        joiner_(writer_, header.most_frame_entries(), report_) {
    for (unsigned i = 0; i < worker_count(); ++i)
      workers_.emplace_back(header, options.codec, sources_);
  }

  Result<CreateDeltaReport> run() {
    DD_TRY(writer_.begin());
    DD_TRY(is_in_turns_ ? run_in_turns() : run_ahead());
    DD_TRY(joiner_.finish());
    report_.header = header_;
    report_.totals = DD_TRY(writer_.finish());
    report_.stream_bytes = writer_.stream_bytes();
    return report_;
  }

 private:
  // In turns each thread has a job, and reads: with two of them the device is never idle.
  unsigned worker_count() const {
    if (!is_in_turns_ || context_.workers == 0) return std::max(context_.workers, 1u);
    const std::size_t room = context_.memory_bytes / (3 * job_bytes_);
    return static_cast<unsigned>(std::clamp<std::size_t>(room, 1, std::max(context_.workers, 2u)));
  }

  Status run_in_turns() {
    const TurnPipeline<CreateJob>::Stages stages{
        .produce = [this](CreateJob& job) { return reader_.plan(job); },
        .work = [this](CreateJob& job, unsigned worker) -> Status {
          DD_TRY(reader_.read(job));
          return workers_[worker].work(job);
        },
        .consume = [this](CreateJob& job) { return write(job); }};
    return TurnPipeline<CreateJob>(worker_count(), context_.interruption, stages).run();
  }

  // One thread reads ahead of those that compress.
  Status run_ahead() {
    OrderedPipeline<CreateJob>::Stages stages{
        .produce = [this](CreateJob& job) -> Result<bool> {
          if (!DD_TRY(reader_.plan(job))) return false;
          DD_TRY(reader_.read(job));
          return true;
        },
        .work = [this](CreateJob& job, unsigned worker) { return workers_[worker].work(job); },
        .consume = [this](CreateJob& job) { return write(job); }};
    // Besides the jobs, each worker has a frame in the making, and the tables of its compressor.
    const std::size_t frames_bytes = std::size_t{worker_count()} * 2 * header_.frame_data_bytes;
    const PipelineLimits limits{
        .workers = worker_count(),
        .memory_bytes = context_.memory_bytes - std::min(context_.memory_bytes, frames_bytes),
        .max_jobs = 2 * context_.workers + 2,
        .max_job_bytes = 3 * job_bytes_};
    return OrderedPipeline<CreateJob>(limits, context_.interruption, stages).run();
  }

  Status write(CreateJob& job) {
    for (MadeFrame& made : job.frames) DD_TRY(joiner_.add(made));
    const CreateItem& last = job.items.back();
    for (const CreateItem& item : job.items) progress_.chunks_done += item.count;
    progress_.chunks_total = header_.chunk_count;
    progress_.chunk_bytes = header_.to_geometry().chunk_bytes();
    progress_.address_bytes = (last.first.value + std::uint64_t{last.count}) << header_.chunk_shift;
    context_.report(progress_);
    return {};
  }

  const DeltaHeader& header_;
  WorkContext& context_;
  const CreateSources sources_;
  const bool is_in_turns_;
  const std::size_t job_bytes_;
  CreateReader reader_;
  std::deque<CreateWorker> workers_;  // one a thread
  CreateDeltaReport report_;
  DeltaWriter writer_;
  FrameJoiner joiner_;
  WorkProgress progress_;
};

}  // namespace

Result<CreateDeltaReport> create_delta(const Changelist& list, BlockDevice* from, BlockDevice* to,
                                       const CreateDeltaOptions& options, RandomSource& random,
                                       ByteSink& sink, WorkContext& context) {
  DeltaHeader header = DD_TRY(make_header(list, options, random));
  if (options.is_reverse) std::swap(from, to);
  if (to == nullptr)
    return fail(ErrorCode::kUsage, "the device to be read as the newer is missing");
  if (header.is_full()) from = nullptr;
  DD_TRY(check_devices(list, header, from, *to));
  if (from != nullptr)
    header.from_is_proven = DD_TRY(prove(*from, header.from_uuid, header.from_tag));
  header.to_is_proven = DD_TRY(prove(*to, header.to_uuid, header.to_tag));
  DD_TRY(check_frame_memory(header, kFramesInMemory, context.memory_bytes));
  if (!needs_old_content(list, header, options.is_reverse)) from = nullptr;
  return Creator(list, header, from, *to, options, context, sink).run();
}

}  // namespace ddsnap
