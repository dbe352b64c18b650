#include "ddsnap/delta/delta_writer.h"

namespace ddsnap {

Status DeltaWriter::begin() {
  return put(encode_delta_header(header_));
}

Status DeltaWriter::write(DeltaFrame& frame, std::span<const std::byte> payload) {
  frame.frame_nr = totals_.frames;
  frame.offset_bytes = offset_bytes_;
  const auto head = encode_delta_frame_head(header_, frame, payload);
  frame.stored_bytes = static_cast<std::uint32_t>(head.size() + payload.size());
  DD_TRY(put(head));
  DD_TRY(put(payload));
  add_frame(totals_, frame, payload.size());
  const auto entry = encode_index_entry(frame);
  index_.insert(index_.end(), entry.begin(), entry.end());
  return {};
}

Result<DeltaTotals> DeltaWriter::finish() {
  DD_CHECK(totals_.chunks == header_.chunk_count ||
           (header_.is_trimmed && totals_.chunks < header_.chunk_count));
  DeltaTrailer trailer;
  trailer.totals = totals_;
  trailer.index_offset_bytes = offset_bytes_;
  DD_TRY(put(encode_index_header(totals_.frames)));
  DD_TRY(put(index_));
  trailer.stream_bytes = offset_bytes_ + kTrailerBytes;
  DD_TRY(put(encode_trailer(trailer)));
  DD_TRY(put(hash_.digest().bytes));
  DD_TRY(sink_.finish());
  return totals_;
}

Status DeltaWriter::put(std::span<const std::byte> bytes) {
  DD_TRY(sink_.write(bytes));
  hash_.update(bytes);
  offset_bytes_ += bytes.size();
  return {};
}

}  // namespace ddsnap
