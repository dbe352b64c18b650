// The first half of "read first, ask after" (T5): the origin as it reads now, with failures kept
// for judgement after the server's answer.
//
// Errors    Kept per chunk; a failed read leaves its bytes unspecified.
// Threads   As the device.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <vector>

#include "ddsnap/io/block_device.h"
#include "ddsnap/target/slot_reader.h"

namespace ddsnap {

class OriginReader {
 public:
  // Reads every part whose place is not known yet (kNowhere), neighbours together and all at once.
  void read_unknown(BlockDevice& origin, const ChunkGeometry& geometry,
                    std::span<const ChunkPart> parts);
  // Whether what was read of this chunk is good.
  Status verdict(ChunkNr chunk) const;

 private:
  std::map<std::uint32_t, Error> failures_;
};

}  // namespace ddsnap
