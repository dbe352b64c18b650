#include "ddsnap/delta/delta_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "ddsnap/base/limits.h"

namespace ddsnap {

namespace {

std::unexpected<Error> damaged(std::string text) {
  return fail(ErrorCode::kDamaged, std::move(text));
}

}  // namespace

Result<DeltaReader> DeltaReader::open(ByteSource& source) {
  std::array<std::byte, kDeltaHeaderBytes> bytes;
  DD_TRY(read_fully(source, bytes));
  auto header = decode_delta_header(bytes);
  if (!header) return with_context(source.name(), std::move(header).error());
  DeltaReader reader(source, *std::move(header));
  reader.hash_.update(bytes);
  reader.offset_bytes_ = bytes.size();
  return reader;
}

Result<std::optional<DeltaFrame>> DeltaReader::next() {
  const std::uint64_t frame_offset = offset_bytes_;
  std::array<std::byte, kIndexHeaderBytes> begin;
  DD_TRY(take(begin));
  if (is_index_header(begin)) {
    if (auto end = read_end(begin); !end)
      return with_context(source_->name(), std::move(end).error());
    return std::nullopt;
  }
  auto frame = read_frame(begin);
  if (!frame)
    return with_context(
        fmt::format("{}, frame {} at byte {}", source_->name(), totals_.frames, frame_offset),
        std::move(frame).error());
  frame->offset_bytes = frame_offset;
  index_hash_.update(encode_index_entry(*frame));
  add_frame(totals_, *frame);
  return *std::move(frame);
}

Status DeltaReader::take(std::span<std::byte> into) {
  DD_TRY(read_fully(*source_, into));
  hash_.update(into);
  offset_bytes_ += into.size();
  return {};
}

Result<std::vector<std::byte>> DeltaReader::take_section(std::size_t length_bytes) {
  auto bytes = DD_TRY(read_section(*source_, length_bytes));
  hash_.update(bytes);
  offset_bytes_ += bytes.size();
  return bytes;
}

Result<DeltaFrame> DeltaReader::read_frame(std::span<const std::byte, kIndexHeaderBytes> begin) {
  std::array<std::byte, kFrameHeaderStoredBytes> fixed;
  std::copy(begin.begin(), begin.end(), fixed.begin());
  DD_TRY(take(std::span(fixed).subspan(begin.size())));
  const FrameShape shape = DD_TRY(decode_frame_shape(header_, fixed));
  const auto table = DD_TRY(take_section(shape.table_bytes()));
  auto payload = DD_TRY(take_section(shape.payload_bytes));
  DeltaFrame frame = DD_TRY(decode_delta_frame(header_, fixed, table, std::move(payload)));
  DD_TRY(check_order(frame));
  return frame;
}

Status DeltaReader::check_order(const DeltaFrame& frame) {
  if (frame.frame_nr != totals_.frames)
    return damaged(fmt::format("frame {} stands in its place", frame.frame_nr));
  if (frame.entries.front().first.value < free_from_) return damaged("its chunks do not ascend");
  free_from_ = frame.entries.back().end();
  const std::uint64_t first_of_tail = header_.common_bytes() >> header_.chunk_shift;
  for (const FrameEntry& entry : frame.entries)
    if (entry.end() > first_of_tail)
      tail_chunks_ += entry.end() - std::max<std::uint64_t>(entry.first.value, first_of_tail);
  return {};
}

Status DeltaReader::read_end(std::span<const std::byte, kIndexHeaderBytes> begin) {
  const std::uint64_t index_offset_bytes = offset_bytes_ - begin.size();
  DD_TRY(read_index(DD_TRY(decode_index_header(begin))));
  std::array<std::byte, kTrailerBytes> bytes;
  const auto hashed = std::span(bytes).first(kTrailerBytes - kStreamHashBytes);
  DD_TRY(take(hashed));
  const Hash128 stream_hash = hash_.digest();
  DD_TRY(take(std::span(bytes).subspan(hashed.size())));
  trailer_ = DD_TRY(decode_trailer(bytes));
  return check_totals(index_offset_bytes, stream_hash);
}

// Read in pieces and compared by hash, so that neither index is ever in memory.
Status DeltaReader::read_index(std::uint64_t frame_count) {
  if (frame_count != totals_.frames)
    return damaged(
        fmt::format("its index has {} frames, but {} came", frame_count, totals_.frames));
  StreamHash found;
  std::vector<std::byte> piece(
      std::min<std::uint64_t>(frame_count * kIndexEntryBytes, kReadPieceBytes));
  for (std::uint64_t left = frame_count * kIndexEntryBytes; left > 0;) {
    const auto part = std::span(piece).first(std::min<std::uint64_t>(left, piece.size()));
    DD_TRY(take(part));
    found.update(part);
    left -= part.size();
  }
  if (found.digest() != index_hash_.digest()) return damaged("its index does not fit its frames");
  return {};
}

Status DeltaReader::check_totals(std::uint64_t index_offset_bytes,
                                 const Hash128& stream_hash) const {
  if (trailer_.stream_hash != stream_hash) return damaged("the hash of the whole stream is wrong");
  if (trailer_.totals != totals_ || trailer_.stream_bytes != offset_bytes_ ||
      trailer_.index_offset_bytes != index_offset_bytes || totals_.chunks > header_.chunk_count ||
      (totals_.chunks < header_.chunk_count && !header_.is_trimmed))
    return damaged("its totals do not fit its frames");
  const std::uint64_t first_of_tail = header_.common_bytes() >> header_.chunk_shift;
  const std::uint64_t chunks = header_.to_geometry().chunk_count();
  const std::uint64_t wanted = chunks > first_of_tail ? chunks - first_of_tail : 0;
  if (header_.from_bytes != header_.to_bytes && tail_chunks_ != wanted)
    return damaged(fmt::format(
        "the volume changed its size, but not every chunk from {} on is in it", first_of_tail));
  return {};
}

Result<std::vector<std::byte>> FrameDecoder::decode(const DeltaHeader& header,
                                                    const DeltaFrame& frame,
                                                    std::span<const std::byte> prefix) {
  std::vector<std::byte> content(frame.data_bytes);
  DD_TRY(decode_into(header, frame, prefix, content));
  return content;
}

Status FrameDecoder::decode_into(const DeltaHeader& header, const DeltaFrame& frame,
                                 std::span<const std::byte> prefix, std::span<std::byte> content) {
  DD_TRY(decompressor_.decompress(frame.encoding, frame.payload, prefix, content));
  return check_content(header, frame, content);
}

Status check_content(const DeltaHeader& header, const DeltaFrame& frame,
                     std::span<const std::byte> content) {
  const std::size_t chunk_bytes = header.to_geometry().chunk_bytes();
  if (content.size() != frame.data_bytes) return damaged("content of another size");
  std::size_t at = 0;
  for (const FrameEntry& entry : frame.entries) {
    if (entry.content != ContentKind::kData) continue;
    if (hash_chunk(content.subspan(at, chunk_bytes)) != entry.after)
      return damaged(fmt::format("the content of chunk {} has another hash", entry.first.value));
    at += chunk_bytes;
  }
  return {};
}

}  // namespace ddsnap
