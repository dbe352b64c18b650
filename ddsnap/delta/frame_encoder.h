// Chooses how the content of a frame is stored: as its mode wants it, and the smallest way that is.
//
// Units     Bytes.
// Errors    As the compressors say.
// Threads   None inside; one encoder a thread.
// Lifetime  What encode() returns lies in the caller's memory.
#pragma once

#include <span>
#include <vector>

#include "ddsnap/base/result.h"
#include "ddsnap/delta/codec.h"
#include "ddsnap/delta/delta_header.h"

namespace ddsnap {

class FrameEncoder {
 public:
  FrameEncoder(DeltaMode mode, CodecChoice codec) : mode_(mode), compressor_(codec) {}

  struct Encoded {
    Encoding encoding = Encoding::kStored;
    std::span<const std::byte> payload;  // in `into`; the content itself where it is stored
  };
  // `prefix` is the old content that a difference may refer to; empty where there may be none.
  // Requires: `into` has room for as much as the content and does not overlap it.
  Result<Encoded> encode(std::span<const std::byte> content, std::span<const std::byte> prefix,
                         std::span<std::byte> into);

 private:
  const DeltaMode mode_;
  Compressor compressor_;
  std::vector<std::byte> difference_;  // used again from frame to frame
};

}  // namespace ddsnap
