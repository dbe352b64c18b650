#include "ddsnap/replica/message_stream.h"

#include <fmt/format.h>

#include <array>
#include <utility>

namespace ddsnap {

std::unexpected<Error> MessageStream::named(Error error) const {
  return with_context(channel_.peer(), std::move(error));
}

std::unexpected<Error> MessageStream::out_of_place(SessionMsg type) const {
  return fail(ErrorCode::kDamaged, fmt::format("{}: a message of kind {} comes out of place",
                                               channel_.peer(), std::to_underlying(type)));
}

Status MessageStream::send_body(SessionMsg type, const std::vector<std::byte>& body) {
  const auto header = encode_session_header(type, sent_++, body);
  Status sent = channel_.write(header);
  if (sent) sent = channel_.write(body);
  if (sent || sent.error().code != ErrorCode::kDisconnected) return sent;
  // Why it hung up may be what it said last.
  while (channel_.has_input()) {
    const auto frame = receive_or_end();
    if (!frame && frame.error().code != ErrorCode::kDisconnected)
      return std::unexpected(frame.error());
    if (!frame || !*frame) break;
  }
  return sent;
}

void MessageStream::send_error(const Error& error) {
  const ErrorSession message{{.code = error.code, .sys_errno = 0, .text = error.message()}};
  (void)send_body(SessionMsg::kError, encode_session(message));
}

Result<std::optional<SessionFrame>> MessageStream::receive_or_end() {
  std::array<std::byte, kSessionHeaderBytes> fixed{};
  if (!DD_TRY(channel_.read_or_end(fixed))) return std::nullopt;
  const auto header = decode_session_header(fixed, received_++, max_body_bytes_);
  if (!header) return named(header.error());
  SessionFrame frame{.type = header->type, .body = {}};
  frame.body.resize(header->body_bytes);
  DD_TRY(channel_.read(frame.body));
  if (const Status checked = check_session_body(fixed, frame.body); !checked)
    return named(checked.error());
  if (frame.type != SessionMsg::kError) return frame;
  return named(DD_TRY(take<ErrorSession>(frame)).error);
}

Result<SessionFrame> MessageStream::receive() {
  auto frame = DD_TRY(receive_or_end());
  if (frame) return *std::move(frame);
  return fail(ErrorCode::kDisconnected, channel_.peer() + ": it hung up");
}

}  // namespace ddsnap
