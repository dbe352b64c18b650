// Headers, tags, and the two answers that everybody gives: OK and ERROR.
#include "ddsnap/wire/messages.h"

#include <ddsnap_protocol.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "ddsnap/base/limits.h"
#include "ddsnap/wire/codec.h"

namespace ddsnap {

static_assert(sizeof(ddsnap_header) == kFrameHeaderBytes);
static_assert(offsetof(ddsnap_header, type) == 6 && offsetof(ddsnap_header, body_bytes) == 8);
static_assert(offsetof(ddsnap_header, request_id) == 16);
static_assert(sizeof(ddsnap_error) == 10);
static_assert(DDSNAP_MAX_MESSAGE_BYTES == kMaxMessageBytes);
static_assert(DDSNAP_MAX_RANGES == kMaxRangesPerMessage);
static_assert(DDSNAP_MAX_ANSWER_ENTRIES == kMaxChunksPerAnswer);
static_assert(DDSNAP_TAG_BYTES == kMaxTagBytes + 1);
static_assert(DDSNAP_ADDRESS_BYTES == kMaxSocketPathBytes + 1);

constexpr auto kLastErrorCode = static_cast<std::uint32_t>(ErrorCode::kDropped);
constexpr std::uint32_t kMaxErrno = 4095;

static bool is_tag_character(char c) {
  return c > ' ' && c <= '~' && c != '/' && c != '#';
}

static void write_body(BodyWriter&, const OkMessage&) {}
static void read_body(BodyReader&, OkMessage&) {}

static void write_body(BodyWriter& writer, const ErrorMessage& message) {
  const std::string_view text =
      std::string_view(message.error.text).substr(0, DDSNAP_ERROR_TEXT_BYTES);
  writer.u32(static_cast<std::uint32_t>(message.error.code));
  writer.u32(static_cast<std::uint32_t>(message.error.sys_errno));
  writer.text(text, DDSNAP_ERROR_TEXT_BYTES);
}

static void read_body(BodyReader& reader, ErrorMessage& message) {
  const std::uint32_t code = reader.u32();
  const std::uint32_t sys_errno = reader.u32();
  message.error.text = reader.text(DDSNAP_ERROR_TEXT_BYTES);
  reader.require(code >= 1 && code <= kLastErrorCode, "an unknown error code");
  reader.require(sys_errno <= kMaxErrno, "an impossible errno");
  message.error.code = static_cast<ErrorCode>(code);
  message.error.sys_errno = static_cast<int>(sys_errno);
}

Result<FrameHeader> decode_header(std::span<const std::byte, kFrameHeaderBytes> bytes) {
  ddsnap_header header;
  std::memcpy(&header, bytes.data(), sizeof header);
  if (to_le(header.magic) != DDSNAP_MAGIC)
    return fail(ErrorCode::kDamaged, "not a ddsnap message: wrong magic");
  if (to_le(header.version) != DDSNAP_PROTOCOL_VERSION)
    return fail(ErrorCode::kDamaged,
                fmt::format("a ddsnap message of protocol version {}, this program speaks {}",
                            to_le(header.version), DDSNAP_PROTOCOL_VERSION));
  if (header.reserved != 0) return fail(ErrorCode::kDamaged, "reserved header bytes are not zero");
  const std::uint32_t body_bytes = to_le(header.body_bytes);
  if (body_bytes > kMaxMessageBytes - kFrameHeaderBytes)
    return fail(ErrorCode::kDamaged, fmt::format("a message of {} bytes is too long", body_bytes));
  return FrameHeader{static_cast<MsgType>(to_le(header.type)), body_bytes,
                     to_le(static_cast<std::uint64_t>(header.request_id))};
}

Status check_tag(std::string_view tag) {
  constexpr std::array<std::string_view, 3> kReserved = {"origin", "now", "-1"};
  if (tag.empty() || tag.size() > kMaxTagBytes)
    return fail(ErrorCode::kUsage, fmt::format("a tag has 1 to {} characters", kMaxTagBytes));
  if (!std::ranges::all_of(tag, is_tag_character) || tag.find("..") != tag.npos)
    return fail(ErrorCode::kUsage,
                "a tag is made of printable characters without space, '/', '#' or '..'");
  if (std::ranges::find(kReserved, tag) != kReserved.end())
    return fail(ErrorCode::kUsage, fmt::format("'{}' is a reserved word, not a tag", tag));
  return {};
}

void require_tag(BodyReader& reader, std::string_view tag) {
  reader.require(check_tag(tag).has_value(), "a tag that is none");
}

DD_MESSAGE(OkMessage);
DD_MESSAGE(ErrorMessage);

}  // namespace ddsnap
