// A few chunks by which it is seen later whether a target still holds what an apply left there.
//
// Shape     Samples are drawn among the chunks that a delta changed, for those tell its older side
//           from its newer one: where a target was put back by hand (dd of another snapshot), most
//           of them are gone.
// Errors    As the device says.
// Threads   Plain values.
#pragma once

#include <map>

#include "ddsnap/base/result.h"
#include "ddsnap/delta/apply_state.h"
#include "ddsnap/delta/delta_frame.h"
#include "ddsnap/io/block_device.h"

namespace ddsnap {

// Draws at most kMaxTargetSamples of all chunks that it sees, evenly, and the same ones each time.
class SampleDraw {
 public:
  explicit SampleDraw(const DeltaHeader& header) : header_(header) {}
  void see(const DeltaFrame& frame);
  TargetSamples take() const;

 private:
  const DeltaHeader& header_;
  std::map<std::uint64_t, ChunkSample> drawn_;  // by a hash of the chunk's number
};

enum class Remembrance {
  kHolds,     // all samples are there, or there are none
  kTouched,   // some are not: it no longer is that snapshot, but came from it
  kReplaced,  // most are not: what is remembered is of something else
};
Result<Remembrance> compare_samples(BlockDevice& target, const TargetSamples& samples);

}  // namespace ddsnap
