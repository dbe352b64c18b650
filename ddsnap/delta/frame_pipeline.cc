#include "ddsnap/delta/frame_pipeline.h"

#include "ddsnap/base/ordered_pipeline.h"
#include "ddsnap/delta/delta_writer.h"

namespace ddsnap {

Result<DeltaTotals> write_frames(const DeltaHeader& header, CodecChoice codec,
                                 const std::function<Result<bool>(FrameJob&)>& fill,
                                 WorkContext& context, ByteSink& sink) {
  DeltaWriter writer(sink, header);
  DD_TRY(writer.begin());
  std::uint64_t chunks_done = 0;
  OrderedPipeline<FrameJob>::Stages stages{
      .produce =
          [&](FrameJob& job) {
            if (!job.builder) job.builder = std::make_unique<FrameBuilder>(header, codec);
            job.frame.reset();
            job.content_bytes = 0;
            return fill(job);
          },
      .work = [](FrameJob& job, unsigned) -> Status {
        if (!job.frame) job.frame = DD_TRY(job.builder->take());
        return {};
      },
      .consume = [&](FrameJob& job) -> Status {
        if (!job.frame) return {};
        DD_TRY(context.rate_limit.take(job.frame->data_bytes, context.interruption));
        DD_TRY(writer.write(*job.frame));
        for (const FrameEntry& entry : job.frame->entries) chunks_done += entry.count;
        context.report({.chunks_done = chunks_done,
                        .chunks_total = header.chunk_count,
                        .chunk_bytes = header.to_geometry().chunk_bytes(),
                        .address_bytes = job.frame->entries.back().end() << header.chunk_shift});
        return {};
      },
  };
  OrderedPipeline<FrameJob> pipeline(
      {.workers = context.workers, .memory_bytes = context.memory_bytes}, context.interruption,
      stages);
  DD_TRY(pipeline.run());
  if (chunks_done != header.chunk_count)
    return fail(ErrorCode::kDamaged, "what is read twice changed in between");
  return writer.finish();
}

}  // namespace ddsnap
