#include "ddsnap/delta/rbd_stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "ddsnap/base/endian.h"
#include "ddsnap/base/limits.h"
#include "ddsnap/delta/bytes.h"

namespace ddsnap {

namespace {

constexpr std::string_view kBanners[] = {"rbd diff v1\n", "rbd diff v2\n"};
constexpr std::size_t kBannerBytes = 12;
constexpr char kFromSnap = 'f';
constexpr char kToSnap = 't';
constexpr char kImageSize = 's';
constexpr char kProtection = 'p';
constexpr char kWrite = 'w';
constexpr char kZero = 'z';
constexpr char kEnd = 'e';

std::unexpected<Error> damaged(std::string text) {
  return fail(ErrorCode::kDamaged, "not a whole RBD diff: " + std::move(text));
}

bool is_metadata(char tag) {
  return tag != kWrite && tag != kZero && tag != kEnd;
}

}  // namespace

Result<RbdVersion> parse_rbd_version(std::string_view text) {
  if (text == "rbd-diff-v1") return RbdVersion::kV1;
  if (text == "rbd-diff-v2") return RbdVersion::kV2;
  return fail(ErrorCode::kUsage,
              fmt::format("'{}' is no format; known are rbd-diff-v1 and rbd-diff-v2", text));
}

void RbdWriter::append_tag(std::vector<std::byte>& out, char tag,
                           std::uint64_t payload_bytes) const {
  out.push_back(static_cast<std::byte>(tag));
  if (version_ == RbdVersion::kV2) append_struct(out, le64(payload_bytes));
}

Status RbdWriter::begin(const RbdMetadata& metadata) {
  const auto banner = std::as_bytes(std::span(kBanners[static_cast<std::size_t>(version_) - 1]));
  std::vector<std::byte> out(banner.begin(), banner.end());
  const auto append_name = [&](char tag, const std::optional<std::string>& name) {
    if (!name) return;
    append_tag(out, tag, sizeof(le32) + name->size());
    append_struct(out, le32(static_cast<std::uint32_t>(name->size())));
    const auto text = std::as_bytes(std::span(*name));
    out.insert(out.end(), text.begin(), text.end());
  };
  append_name(kFromSnap, metadata.from_snap);
  append_name(kToSnap, metadata.to_snap);
  append_tag(out, kImageSize, sizeof(le64));
  append_struct(out, le64(metadata.size_bytes));
  return sink_.write(out);
}

Status RbdWriter::write_data(std::uint64_t offset_bytes, std::span<const std::byte> data) {
  const bool touches = !data_.empty() && pending_.end_bytes() == offset_bytes &&
                       data_.size() + data.size() <= kRbdRecordBytes;
  if (!touches) DD_TRY(flush());
  if (!touches) pending_ = {offset_bytes, 0};
  data_.insert(data_.end(), data.begin(), data.end());
  pending_.length_bytes += data.size();
  return {};
}

Status RbdWriter::write_zeros(ByteRange range) {
  const bool touches =
      data_.empty() && pending_.length_bytes > 0 && pending_.end_bytes() == range.offset_bytes;
  if (!touches) DD_TRY(flush());
  if (!touches) pending_ = {range.offset_bytes, 0};
  pending_.length_bytes += range.length_bytes;
  return {};
}

Status RbdWriter::flush() {
  if (pending_.length_bytes == 0) return {};
  std::vector<std::byte> out;
  append_tag(out, data_.empty() ? kZero : kWrite, 2 * sizeof(le64) + data_.size());
  append_struct(out, le64(pending_.offset_bytes));
  append_struct(out, le64(pending_.length_bytes));
  DD_TRY(sink_.write(out));
  DD_TRY(sink_.write(data_));
  data_.clear();
  pending_ = {};
  return {};
}

Status RbdWriter::end() {
  DD_TRY(flush());
  return sink_.write(std::as_bytes(std::span(&kEnd, 1)));
}

Result<RbdReader> RbdReader::open(ByteSource& source) {
  std::array<char, kBannerBytes> banner;
  DD_TRY(read_fully(source, std::as_writable_bytes(std::span(banner))));
  const std::string_view text(banner.data(), banner.size());
  RbdReader reader(source);
  if (text == kBanners[1]) {
    reader.version_ = RbdVersion::kV2;
  } else if (text != kBanners[0]) {
    return fail(ErrorCode::kDamaged, source.name() + " is no RBD diff");
  }
  if (auto read = reader.read_metadata(); !read)
    return with_context(source.name(), std::move(read).error());
  return reader;
}

Status RbdReader::read_metadata() {
  bool has_size = false;
  for (;;) {
    DD_TRY(read_fully(*source_, std::as_writable_bytes(std::span(&tag_, 1))));
    if (!is_metadata(tag_)) break;
    has_size |= tag_ == kImageSize;
    DD_TRY(read_one_metadata(tag_));
  }
  if (!has_size) return damaged("it does not tell the size of the image");
  if (metadata_.size_bytes > kMaxChunks << kMaxChunkShift)
    return damaged(fmt::format("an image of {} bytes is too large", metadata_.size_bytes));
  return {};
}

Status RbdReader::read_one_metadata(char tag) {
  switch (tag) {
    case kFromSnap:
      metadata_.from_snap = DD_TRY(read_name(DD_TRY(read_payload_bytes(0))));
      return {};
    case kToSnap:
      metadata_.to_snap = DD_TRY(read_name(DD_TRY(read_payload_bytes(0))));
      return {};
    case kImageSize:
      if (DD_TRY(read_payload_bytes(sizeof(le64))) != sizeof(le64))
        return damaged("the size of the image is told in a wrong length");
      metadata_.size_bytes = DD_TRY(read_u64());
      return {};
    default:
      break;
  }
  // The second version tells how long what it does not know is, so that it can be skipped.
  if (version_ == RbdVersion::kV1)
    return damaged(fmt::format("a record of the kind {:#04x}", static_cast<unsigned char>(tag)));
  std::uint64_t payload_bytes = DD_TRY(read_payload_bytes(0));
  // Ceph 16 says 8 here and writes 1; later ones say 1. Not in the documentation.
  if (tag == kProtection) payload_bytes = 1;
  if (payload_bytes > kMaxRbdMetadataBytes) return damaged("a record is too long");
  return skip(payload_bytes);
}

// payload_bytes is 0 where the version does not tell it.
Result<std::string> RbdReader::read_name(std::uint64_t payload_bytes) {
  le32 length;
  DD_TRY(read_fully(*source_, std::as_writable_bytes(std::span(&length, 1))));
  if (length.get() > kMaxRbdMetadataBytes ||
      (version_ == RbdVersion::kV2 && payload_bytes != sizeof length + length.get()))
    return damaged("the name of a snapshot has a wrong length");
  std::string name(length.get(), '\0');
  DD_TRY(read_fully(*source_, std::as_writable_bytes(std::span(name))));
  return name;
}

Result<std::optional<RbdRecord>> RbdReader::next() {
  DD_TRY(skip(data_left_bytes_));
  data_left_bytes_ = 0;
  if (tag_ == 0) DD_TRY(read_fully(*source_, std::as_writable_bytes(std::span(&tag_, 1))));
  const char tag = std::exchange(tag_, '\0');
  if (tag == kEnd) {
    DD_TRY(expect_end(*source_));
    return std::nullopt;
  }
  if (tag != kWrite && tag != kZero)
    return damaged(fmt::format("a record of the kind {:#04x}", static_cast<unsigned char>(tag)));
  const std::uint64_t payload_bytes = DD_TRY(read_payload_bytes(0));
  RbdRecord record{.is_zero = tag == kZero};
  record.range.offset_bytes = DD_TRY(read_u64());
  record.range.length_bytes = DD_TRY(read_u64());
  const std::uint64_t size = metadata_.size_bytes;
  if (record.range.length_bytes == 0 || record.range.offset_bytes > size ||
      record.range.length_bytes > size - record.range.offset_bytes)
    return damaged(
        fmt::format("a record at byte {} does not lie in the image", record.range.offset_bytes));
  if (record.range.offset_bytes < free_from_bytes_)
    return damaged(
        fmt::format("the record at byte {} stands behind a later one", record.range.offset_bytes));
  data_left_bytes_ = record.is_zero ? 0 : record.range.length_bytes;
  if (version_ == RbdVersion::kV2 && payload_bytes != 2 * sizeof(le64) + data_left_bytes_)
    return damaged("a record has a wrong length");
  free_from_bytes_ = record.range.end_bytes();
  return record;
}

Status RbdReader::read_data(std::span<std::byte> into) {
  DD_CHECK(into.size() <= data_left_bytes_);
  DD_TRY(read_fully(*source_, into));
  data_left_bytes_ -= into.size();
  return {};
}

Result<std::uint64_t> RbdReader::read_u64() {
  le64 value;
  DD_TRY(read_fully(*source_, std::as_writable_bytes(std::span(&value, 1))));
  return value.get();
}

Result<std::uint64_t> RbdReader::read_payload_bytes(std::uint64_t in_v1) {
  if (version_ == RbdVersion::kV1) return in_v1;
  return read_u64();
}

Status RbdReader::skip(std::uint64_t count_bytes) {
  std::vector<std::byte> piece(std::min<std::uint64_t>(count_bytes, kReadPieceBytes));
  while (count_bytes > 0) {
    const auto part = std::span(piece).first(std::min<std::uint64_t>(count_bytes, piece.size()));
    DD_TRY(read_fully(*source_, part));
    count_bytes -= part.size();
  }
  return {};
}

}  // namespace ddsnap
