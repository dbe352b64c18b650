#include "ddsnap/wire/body_writer.h"

#include <ddsnap_protocol.h>

#include <algorithm>

#include "ddsnap/base/limits.h"

namespace ddsnap {

BodyWriter::BodyWriter(MsgType type, std::uint64_t request_id) {
  ddsnap_header header{};
  header.magic = to_le(DDSNAP_MAGIC);
  header.version = to_le<std::uint16_t>(DDSNAP_PROTOCOL_VERSION);
  header.type = to_le(static_cast<std::uint16_t>(type));
  header.request_id = to_le<__u64>(request_id);
  plain(header);
}

void BodyWriter::text(std::string_view value, std::size_t max_bytes) {
  DD_CHECK(value.size() <= max_bytes && max_bytes <= 0xffff);
  u16(static_cast<std::uint16_t>(value.size()));
  bytes(value);
}

void BodyWriter::append(const void* bytes, std::size_t length_bytes) {
  const std::size_t old_bytes = frame_.size();
  frame_.resize(old_bytes + length_bytes);
  if (length_bytes > 0) std::memcpy(frame_.data() + old_bytes, bytes, length_bytes);
}

std::vector<std::byte> BodyWriter::finish() {
  DD_CHECK(frame_.size() <= kMaxMessageBytes);
  const le32 body_bytes(static_cast<std::uint32_t>(frame_.size() - kFrameHeaderBytes));
  std::memcpy(frame_.data() + offsetof(ddsnap_header, body_bytes), &body_bytes, sizeof body_bytes);
  return std::move(frame_);
}

void put_padded(std::span<std::uint8_t> field, std::string_view text) {
  DD_CHECK(text.size() < field.size());
  std::ranges::fill(field, std::uint8_t{0});
  std::ranges::copy(text, field.begin());
}

}  // namespace ddsnap
