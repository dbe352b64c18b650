// Puts one frame together: header first, then the body field by field, the length filled in at the
// end.
//
// Shape     Integers little-endian; `text` is a le16 length and the bytes; C structs of the shared
// header are copied whole and must already hold little-endian values (to_le below).
// Errors    None: what does not fit kMaxMessageBytes, or a text beyond its maximum, is our own
// mistake (DD_CHECK).
// Threads   A plain value.
#pragma once

#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "ddsnap/base/endian.h"
#include "ddsnap/base/uuid.h"
#include "ddsnap/wire/messages.h"

namespace ddsnap {

// The value whose memory holds `value` in little-endian order: for the fields of C structs. Its own
// inverse.
template <class T>
  requires std::is_unsigned_v<T>
T to_le(T value) {
  T result;
  const LittleEndian<T> stored(value);
  std::memcpy(&result, &stored, sizeof result);
  return result;
}

class BodyWriter {
 public:
  BodyWriter(MsgType type, std::uint64_t request_id);

  void u8(std::uint8_t value) { plain(value); }
  void u16(std::uint16_t value) { plain(le16(value)); }
  void u32(std::uint32_t value) { plain(le32(value)); }
  void u64(std::uint64_t value) { plain(le64(value)); }
  void uuid(const Uuid& value) { plain(value.bytes); }
  void text(std::string_view value, std::size_t max_bytes);
  void bytes(std::string_view value) { append(value.data(), value.size()); }
  template <class T>
  void plain(const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    append(&value, sizeof value);
  }

  // The whole frame. Requires: called once, last.
  std::vector<std::byte> finish();

 private:
  void append(const void* bytes, std::size_t length_bytes);

  std::vector<std::byte> frame_;
};

// Zero-padded text in a fixed field. Requires: it leaves at least one zero.
void put_padded(std::span<std::uint8_t> field, std::string_view text);

}  // namespace ddsnap
