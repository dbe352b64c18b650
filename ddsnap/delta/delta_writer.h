// Writes a delta stream: header, frames, then index and trailer.
//
// Errors    As the sink says; after one the stream is of no use.
// Durable   finish() finishes the sink too: a file then has its name and is durable.
// Threads   None inside; frames come in order. (Encoding them may happen elsewhere, in parallel.)
// Lifetime  Borrows the sink.
#pragma once

#include <span>
#include <vector>

#include "ddsnap/base/result.h"
#include "ddsnap/delta/byte_stream.h"
#include "ddsnap/delta/delta_trailer.h"
#include "ddsnap/delta/stream_hash.h"

namespace ddsnap {

class DeltaWriter {
 public:
  DeltaWriter(ByteSink& sink, DeltaHeader header) : sink_(sink), header_(std::move(header)) {}

  Status begin();
  // Gives the frame its number and place. Requires: its chunks come after those before; begin().
  Status write(DeltaFrame& frame) { return write(frame, frame.payload); }
  // The same with a payload that lies elsewhere.
  Status write(DeltaFrame& frame, std::span<const std::byte> payload);
  // Requires: as many chunks were written as the header announces; no more, when it is trimmed.
  Result<DeltaTotals> finish();
  // Of the stream so far.
  std::uint64_t stream_bytes() const { return offset_bytes_; }

 private:
  Status put(std::span<const std::byte> bytes);

  ByteSink& sink_;
  const DeltaHeader header_;
  StreamHash hash_;
  std::uint64_t offset_bytes_ = 0;
  DeltaTotals totals_;
  std::vector<std::byte> index_;
};

}  // namespace ddsnap
