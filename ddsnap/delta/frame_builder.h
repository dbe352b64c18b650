// Gathers chunks into frames and encodes them.
//
// Shape     A frame is full when its content or its table is; zero runs join where they may.
// Errors    As the compressors say.
// Threads   None inside; one builder a thread.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "ddsnap/base/result.h"
#include "ddsnap/delta/delta_frame.h"
#include "ddsnap/delta/frame_encoder.h"

namespace ddsnap {

class FrameBuilder {
 public:
  FrameBuilder(const DeltaHeader& header, CodecChoice codec)
      : frame_data_bytes_(header.frame_data_bytes),
        chunk_bytes_(header.to_geometry().chunk_bytes()),
        most_entries_(header.most_frame_entries()),
        encoder_(header.mode, codec) {}

  // `content` for kData only; `old_content` where it is known, for kData with kKnown only.
  // Requires: !is_full(); chunks come in order.
  void add(const FrameEntry& entry, std::span<const std::byte> content,
           std::span<const std::byte> old_content);
  bool is_full() const;
  // The frame gathered so far, encoded; nothing when there is none.
  Result<std::optional<DeltaFrame>> take();

 private:
  Status encode(DeltaFrame& frame);

  const std::size_t frame_data_bytes_;
  const std::size_t chunk_bytes_;
  const std::size_t most_entries_;
  FrameEncoder encoder_;
  std::vector<FrameEntry> entries_;
  std::vector<std::byte> content_;
  std::vector<std::byte> old_content_;
};

}  // namespace ddsnap
