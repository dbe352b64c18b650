// Writes a delta stream whose frames are gathered by one thread and encoded by several.
//
// Errors    Those of the stages; kDamaged when other chunks came than the header announces; as the
//           sink says; kInterrupted.
// Threads   fill() runs in a thread of its own.
// Lifetime  Borrows everything for the call. The sink is finished.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "ddsnap/base/result.h"
#include "ddsnap/base/work_context.h"
#include "ddsnap/delta/byte_stream.h"
#include "ddsnap/delta/delta_trailer.h"
#include "ddsnap/delta/frame_builder.h"

namespace ddsnap {

// What becomes a frame: chunks in a builder, or a frame that is one already.
struct FrameJob {
  std::unique_ptr<FrameBuilder> builder;  // there always
  std::optional<DeltaFrame> frame;
  std::size_t content_bytes = 0;  // gathered in the builder, or in the frame

  std::size_t weight_bytes() const { return sizeof(FrameJob) + content_bytes * 2; }
};

// fill() gathers the next frame in a job that is empty; false: there are no more. Chunks come in
// order.
Result<DeltaTotals> write_frames(const DeltaHeader& header, CodecChoice codec,
                                 const std::function<Result<bool>(FrameJob&)>& fill,
                                 WorkContext& context, ByteSink& sink);

}  // namespace ddsnap
