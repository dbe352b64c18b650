#include "ddsnap/delta/frame_stages.h"

#include <fmt/format.h>

#include <cstring>
#include <deque>
#include <future>
#include <optional>
#include <utility>

#include "ddsnap/base/limits.h"
#include "ddsnap/base/ordered_pipeline.h"
#include "ddsnap/delta/chunk_io.h"

namespace ddsnap {

namespace {

// Grows to what is asked for, and is used again: fresh memory costs a page fault a page.
std::span<std::byte> room_in(AlignedBuffer& buffer, std::size_t size_bytes) {
  if (buffer.size() < size_bytes) buffer = AlignedBuffer::for_overwrite(size_bytes);
  return buffer.span().first(size_bytes);
}

// One look at the target; the last of a frame brings the frame itself.
struct FrameJob {
  Look look;
  AlignedBuffer present_buffer;
  bool is_last = false;
  FramePlan plan;
  PipedFrame piped;  // `frame` of the last look only
  std::vector<ChunkNr> prefix_chunks;
  AlignedBuffer prefix_buffer;

  // Whether the chunks of the prefix are among what is looked at: the frame is one look.
  bool has_prefix() const {
    return is_last && !look.asked.empty() &&
           look.asked.front().entry.first == piped.frame.entries.front().first;
  }
  // And are all of it, so that the one is the other.
  bool is_prefix() const { return has_prefix() && look.read_chunks == prefix_chunks.size(); }
  std::size_t weight_bytes() const {
    return present_buffer.size() + prefix_buffer.size() + piped.frame.payload.size() +
           piped.frame.data_bytes;
  }
};

// Reads ahead: frames and, in one batch, what the target holds in the chunks of several. While one
// group is on its way from the target, the next one is read from the delta.
class FrameFeeder {
 public:
  FrameFeeder(DeltaReader& reader, BlockDevice* target, const FrameStages& stages,
              std::size_t group_bytes, bool has_threads)
      : reader_(reader),
        header_(reader.header()),
        target_(target),
        stages_(stages),
        group_bytes_(group_bytes),
        // Where a frame is larger than a group, one of them is enough in memory.
        reads_ahead_(has_threads && header_.frame_data_bytes <= group_bytes) {
    if (target_ != nullptr) io_.emplace(*target_, header_.to_geometry());
  }

  Result<bool> next(FrameJob& job) {
    if (ready_.empty()) DD_TRY(next_group());
    if (ready_.empty() && failure_) return std::unexpected(*failure_);
    if (ready_.empty()) return false;
    std::swap(job, ready_.front());
    spare_.push_back(std::move(ready_.front()));
    ready_.pop_front();
    return true;
  }

 private:
  using Group = std::deque<FrameJob>;

  Status next_group() {
    if (!reading_.valid()) start_reading(take_group());
    Group after;
    if (reads_ahead_) after = take_group();
    DD_TRY(reading_.get());
    ready_ = std::exchange(group_, {});
    if (!after.empty()) start_reading(std::move(after));
    return {};
  }

  void start_reading(Group group) {
    group_ = std::move(group);
    const auto how = reads_ahead_ && io_ ? std::launch::async : std::launch::deferred;
    reading_ = std::async(how, [this] { return read_present(); });
  }

  // Looks up to the size of a group, with room for what they want to know.
  Group take_group() {
    Group group;
    std::size_t bytes = 0;
    while (bytes < group_bytes_) {
      // What came before a failure is dealt with first.
      if (planned_.empty() && !is_at_end_ && !failure_)
        if (auto added = plan_next(); !added) failure_ = std::move(added).error();
      if (planned_.empty()) break;
      group.push_back(std::move(planned_.front()));
      planned_.pop_front();
      FrameJob& job = group.back();
      room_in(job.present_buffer, job.look.read_chunks << header_.chunk_shift);
      if (!job.is_prefix())
        room_in(job.prefix_buffer, job.prefix_chunks.size() << header_.chunk_shift);
      bytes += job.weight_bytes();
    }
    return group;
  }

  Status plan_next() {
    auto frame = DD_TRY(reader_.next());
    if (frame) return plan(*std::move(frame));
    is_at_end_ = true;
    return {};
  }

  Status plan(DeltaFrame frame) {
    const FramePlan plan = stages_.plan(frame);
    std::vector<Look> looks(1);
    if (plan.is_compared) looks = DD_TRY(plan_looks(header_, *target_, frame));
    if (looks.empty()) looks.resize(1);
    for (Look& look : looks) {
      FrameJob& job = add_job();
      job.plan = plan;
      job.look = std::move(look);
    }
    FrameJob& last = planned_.back();
    last.is_last = true;
    if (plan.decode != FramePlan::Decode::kNo) last.prefix_chunks = prefix_chunks(frame);
    last.piped.frame = std::move(frame);
    return {};
  }

  FrameJob& add_job() {
    FrameJob job;
    if (!spare_.empty()) {
      job = std::move(spare_.back());
      spare_.pop_back();
    }
    job.is_last = false;
    job.piped.frame = {};
    job.prefix_chunks.clear();
    planned_.push_back(std::move(job));
    return planned_.back();
  }

  // For the group that waits for it.
  Status read_present() {
    if (!io_) return {};
    std::vector<IoRequest> batch;
    std::vector<std::pair<std::vector<ChunkNr>, std::span<std::byte>>> reads;
    for (FrameJob& job : group_) {
      const auto chunks = chunks_to_read(job.look);
      if (!chunks.empty()) reads.emplace_back(chunks, job.present_buffer.span());
      if (!job.prefix_chunks.empty() && !job.has_prefix())
        reads.emplace_back(job.prefix_chunks, job.prefix_buffer.span());
    }
    for (auto& [chunks, into] : reads) io_->plan_read(chunks, into, batch);
    if (batch.empty()) return {};
    DD_TRY(target_->run(batch));
    for (auto& [chunks, into] : reads) io_->finish_read(chunks, into);
    return {};
  }

  DeltaReader& reader_;
  const DeltaHeader& header_;
  BlockDevice* const target_;
  const FrameStages& stages_;
  const std::size_t group_bytes_;
  const bool reads_ahead_;
  std::optional<ChunkIo> io_;
  Group ready_;    // to be handed out
  Group group_;    // being read
  Group planned_;  // the looks of a frame that are in no group yet
  std::vector<FrameJob> spare_;
  bool is_at_end_ = false;
  std::optional<Error> failure_;
  std::future<Status> reading_;  // last: its thread uses the others
};

// What a worker does with a job.
class FrameWorker {
 public:
  FrameWorker(const DeltaHeader& header, const BlockDevice* target)
      : header_(header),
        unit_bytes_(target == nullptr ? kChangedBlockBytes
                                      : changed_unit_bytes(target->geometry())) {}

  Status work(FrameJob& job) {
    PipedFrame& piped = job.piped;
    piped.present = judge(header_, job.look, job.present_buffer.span());
    piped.is_before = piped.is_after = true;
    for (const PresentRun& run : piped.present) {
      piped.is_before &= run.is_before;
      piped.is_after &= run.is_after;
    }
    piped.is_decoded = false;
    piped.changed.reset();
    if (!job.is_last || job.plan.decode == FramePlan::Decode::kNo) return {};
    const Status decoded = decode_where_asked(job);
    let_go_if_large(job.present_buffer);
    let_go_if_large(job.prefix_buffer);
    return decoded;
  }

 private:
  Status decode_where_asked(FrameJob& job) {
    PipedFrame& piped = job.piped;
    const auto prefix = make_prefix(job);
    const bool is_difference = piped.frame.encoding == Encoding::kZstdDifference;
    // Where all was compared and is as before, the prefix is.
    const bool is_known = job.has_prefix() && piped.is_before;
    if (is_difference && job.plan.decode == FramePlan::Decode::kWhereBefore && !is_known &&
        !is_right_prefix(header_, piped.frame, prefix))
      return {};
    DD_TRY(decode(piped, prefix));
    if (is_difference && job.plan.is_for_writing)
      piped.changed =
          find_changed_blocks(header_, piped.frame, prefix, piped.content(), unit_bytes_);
    return {};
  }

  // What a long frame took is wanted elsewhere before the next one comes.
  static void let_go_if_large(AlignedBuffer& buffer) {
    if (buffer.size() > kFrameGroupBytes) buffer = AlignedBuffer();
  }

  std::span<const std::byte> make_prefix(FrameJob& job) const {
    const std::size_t chunk_bytes = header_.to_geometry().chunk_bytes();
    const std::size_t prefix_bytes = job.prefix_chunks.size() << header_.chunk_shift;
    // Cut already, when it was judged.
    if (job.is_prefix()) return job.present_buffer.span().first(prefix_bytes);
    const auto prefix = job.prefix_buffer.span().first(prefix_bytes);
    if (job.has_prefix()) gather(job, prefix, chunk_bytes);
    cut_prefix(header_, job.prefix_chunks, prefix);
    return prefix;
  }

  static void gather(const FrameJob& job, std::span<std::byte> prefix, std::size_t chunk_bytes) {
    const auto looked = chunks_to_read(job.look);
    std::size_t from = 0;
    for (const ChunkNr chunk : job.prefix_chunks) {
      while (looked[from] != chunk) ++from;
      std::memcpy(prefix.data(), job.present_buffer.data() + from * chunk_bytes, chunk_bytes);
      prefix = prefix.subspan(chunk_bytes);
    }
  }

  Status decode(PipedFrame& piped, std::span<const std::byte> prefix) {
    const auto into = room_in(piped.buffer, piped.frame.data_bytes);
    if (auto done = decoder_.decode_into(header_, piped.frame, prefix, into); !done)
      return with_context(
          fmt::format("frame {} at byte {}", piped.frame.frame_nr, piped.frame.offset_bytes),
          std::move(done).error());
    piped.is_decoded = true;
    piped.frame.payload = std::vector<std::byte>();
    return {};
  }

  const DeltaHeader& header_;
  const std::size_t unit_bytes_;
  FrameDecoder decoder_;
};

// Puts the looks of a frame together again.
class FrameGatherer {
 public:
  explicit FrameGatherer(const FrameStages& stages) : stages_(stages) {}

  Status take(FrameJob& job) {
    if (!job.is_last || !runs_.empty()) {
      for (const PresentRun& run : job.piped.present) append_run(runs_, run);
      is_before_ &= job.piped.is_before;
      is_after_ &= job.piped.is_after;
      if (!job.is_last) return {};
      job.piped.present = std::exchange(runs_, {});
      job.piped.is_before = std::exchange(is_before_, true);
      job.piped.is_after = std::exchange(is_after_, true);
    }
    return stages_.visit(job.piped);
  }

 private:
  const FrameStages& stages_;
  std::vector<PresentRun> runs_;  // of the looks so far at a frame that takes several
  bool is_before_ = true;
  bool is_after_ = true;
};

// Without other threads: for what is small, and for tests that want one order of things.
Status run_alone(const OrderedPipeline<FrameJob>::Stages& stages,
                 const Interruption& interruption) {
  FrameJob job;
  while (DD_TRY(stages.produce(job))) {
    DD_TRY(interruption.check());
    DD_TRY(stages.work(job, 0));
    DD_TRY(stages.consume(job));
  }
  return {};
}

}  // namespace

Status run_frames(DeltaReader& reader, BlockDevice* target, const FrameStages& stages,
                  const WorkContext& context) {
  DD_TRY(check_frame_memory(reader.header(),
                            target == nullptr ? kFramesInMemoryToLook : kFramesInMemory,
                            context.memory_bytes));
  const PipelineLimits limits{.workers = context.workers,
                              .memory_bytes = context.memory_bytes / 4,
                              .max_jobs = kMaxFramesInFlight};
  FrameFeeder feeder(reader, target, stages,
                     std::min(kFrameGroupBytes, std::max<std::size_t>(1, limits.memory_bytes / 4)),
                     context.workers > 0);
  std::deque<FrameWorker> workers;
  for (unsigned i = 0; i < std::max(limits.workers, 1u); ++i)
    workers.emplace_back(reader.header(), target);
  FrameGatherer gatherer(stages);
  OrderedPipeline<FrameJob>::Stages pipeline{
      .produce = [&](FrameJob& job) { return feeder.next(job); },
      .work = [&](FrameJob& job, unsigned worker) { return workers[worker].work(job); },
      .consume = [&](FrameJob& job) { return gatherer.take(job); }};
  if (context.workers == 0) return run_alone(pipeline, context.interruption);
  return OrderedPipeline<FrameJob>(limits, context.interruption, pipeline).run();
}

}  // namespace ddsnap
