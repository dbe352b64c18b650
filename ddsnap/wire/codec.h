// The two templates of messages.h over the field-by-field codecs, for the *_messages.cc files
// alone: each defines write_body() and read_body() for its messages and instantiates them here.
// They are static and not in an unnamed namespace, because only so the templates find them.
#pragma once

#include "ddsnap/wire/body_reader.h"
#include "ddsnap/wire/body_writer.h"
#include "ddsnap/wire/messages.h"

namespace ddsnap {

template <class Message>
std::vector<std::byte> encode(const Message& message, std::uint64_t request_id) {
  BodyWriter writer(Message::kType, request_id);
  write_body(writer, message);
  return writer.finish();
}

template <class Message>
Result<Message> decode(std::span<const std::byte> body) {
  BodyReader reader(body);
  Message message;
  read_body(reader, message);
  DD_TRY(reader.finish());
  return message;
}

// A tag that names one snapshot; rejects the body otherwise.
void require_tag(BodyReader& reader, std::string_view tag);

}  // namespace ddsnap

#define DD_MESSAGE(Message)                                                       \
  template std::vector<std::byte> encode<Message>(const Message&, std::uint64_t); \
  template Result<Message> decode<Message>(std::span<const std::byte>)
