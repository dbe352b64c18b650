// Reads a delta stream and yields frames that are what was written.
//
// Shape     next() gives frame after frame; nothing, once the index and the trailer were read and
//           everything fits together: order and count of the chunks, completeness between sizes
//           (D6), the whole-stream hash.
// Errors    kDamaged with the place in the stream; kVersion. Memory is bounded by one frame (D4).
// Threads   None inside.
// Lifetime  Borrows the source.
#pragma once

#include <optional>
#include <utility>

#include "ddsnap/base/result.h"
#include "ddsnap/delta/byte_stream.h"
#include "ddsnap/delta/delta_trailer.h"
#include "ddsnap/delta/stream_hash.h"

namespace ddsnap {

class DeltaReader {
 public:
  // Reads the header.
  static Result<DeltaReader> open(ByteSource& source);

  const DeltaHeader& header() const { return header_; }
  // The payload is verified but not decoded: see FrameDecoder.
  Result<std::optional<DeltaFrame>> next();
  // Requires: next() said that there is no more.
  const DeltaTrailer& trailer() const { return trailer_; }

 private:
  DeltaReader(ByteSource& source, DeltaHeader header)
      : source_(&source), header_(std::move(header)) {}
  Status take(std::span<std::byte> into);
  Result<std::vector<std::byte>> take_section(std::size_t length_bytes);
  Result<DeltaFrame> read_frame(std::span<const std::byte, kIndexHeaderBytes> begin);
  Status check_order(const DeltaFrame& frame);
  Status read_end(std::span<const std::byte, kIndexHeaderBytes> begin);
  Status read_index(std::uint64_t frame_count);
  Status check_totals(std::uint64_t index_offset_bytes, const Hash128& stream_hash) const;

  ByteSource* source_;
  DeltaHeader header_;
  DeltaTrailer trailer_;
  StreamHash hash_;
  StreamHash index_hash_;  // of the index that the frames so far call for
  std::uint64_t offset_bytes_ = 0;
  std::uint64_t free_from_ = 0;    // the first chunk that the next frame may name
  std::uint64_t tail_chunks_ = 0;  // named from the smaller volume's end on
  DeltaTotals totals_;
};

// Decodes and verifies the content of frames. One a thread.
class FrameDecoder {
 public:
  // The kData chunks of the frame, one after the other; each hashes to its "after". `prefix` is
  // the old content of prefix_chunks(), for differences only.
  Result<std::vector<std::byte>> decode(const DeltaHeader& header, const DeltaFrame& frame,
                                        std::span<const std::byte> prefix);
  // Requires: `content` has frame.data_bytes.
  Status decode_into(const DeltaHeader& header, const DeltaFrame& frame,
                     std::span<const std::byte> prefix, std::span<std::byte> content);

 private:
  Decompressor decompressor_;
};

// kDamaged unless each kData chunk of the frame hashes to its "after".
Status check_content(const DeltaHeader& header, const DeltaFrame& frame,
                     std::span<const std::byte> content);

}  // namespace ddsnap
