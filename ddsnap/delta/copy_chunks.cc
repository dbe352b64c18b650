#include "ddsnap/delta/copy_chunks.h"

#include <cstring>

#include "ddsnap/base/aligned_buffer.h"
#include "ddsnap/base/hash.h"
#include "ddsnap/base/ordered_pipeline.h"
#include "ddsnap/delta/chunk_io.h"

namespace ddsnap {

namespace {

struct CopyJob {
  std::vector<ChunkNr> chunks;
  AlignedBuffer content = AlignedBuffer(kMaxCopyBytes);
  std::vector<ChunkRange> zeros;
  std::vector<ChunkNr> data;  // the others, moved to the front of the content

  static constexpr std::size_t kMaxCopyBytes = kReadPieceBytes;
  std::size_t weight_bytes() const { return content.size(); }
};

// Zero chunks are taken out of the content.
void sort_out_zeros(const ChunkGeometry& geometry, CopyJob& job) {
  const std::size_t chunk_bytes = geometry.chunk_bytes();
  job.zeros.clear();
  job.data.clear();
  for (std::size_t i = 0; i < job.chunks.size(); ++i) {
    const auto chunk = job.content.span().subspan(i * chunk_bytes, chunk_bytes);
    if (is_all_zero(chunk)) {
      if (!job.zeros.empty() && job.zeros.back().end() == job.chunks[i].value) {
        ++job.zeros.back().count;
      } else {
        job.zeros.push_back({job.chunks[i], 1});
      }
      continue;
    }
    if (job.data.size() < i)
      std::memcpy(job.content.data() + job.data.size() * chunk_bytes, chunk.data(), chunk_bytes);
    job.data.push_back(job.chunks[i]);
  }
}

}  // namespace

Status copy_chunks(const Changelist& list, BlockDevice& source, BlockDevice& target,
                   WorkContext& context) {
  const ChunkGeometry geometry = list.to_geometry();
  ChunkIo from(source, geometry);
  ChunkIo to(target, geometry);
  ChangelistCursor cursor(list);
  const std::size_t most = CopyJob::kMaxCopyBytes >> geometry.chunk_shift;
  WorkProgress progress{.chunks_total = list.chunk_count(), .chunk_bytes = geometry.chunk_bytes()};
  OrderedPipeline<CopyJob>::Stages stages{
      .produce = [&](CopyJob& job) -> Result<bool> {
        job.chunks.clear();
        while (job.chunks.size() < most) {
          const auto item = cursor.next();
          if (!item) break;
          job.chunks.push_back(item->chunk);
        }
        DD_TRY(from.read(job.chunks, job.content.span()));
        return !job.chunks.empty();
      },
      .work = [&](CopyJob& job, unsigned) -> Status {
        sort_out_zeros(geometry, job);
        return {};
      },
      .consume = [&](CopyJob& job) -> Status {
        DD_TRY(context.rate_limit.take(job.chunks.size() << geometry.chunk_shift,
                                       context.interruption));
        DD_TRY(to.write(job.data, job.content.span()));
        for (const ChunkRange& zeros : job.zeros) DD_TRY(to.zero(zeros));
        progress.chunks_done += job.chunks.size();
        progress.address_bytes = (std::uint64_t{job.chunks.back().value} + 1)
                                 << geometry.chunk_shift;
        context.report(progress);
        return {};
      }};
  const PipelineLimits limits{.workers = 1, .memory_bytes = context.memory_bytes / 4};
  DD_TRY(OrderedPipeline<CopyJob>(limits, context.interruption, stages).run());
  return target.flush();
}

}  // namespace ddsnap
