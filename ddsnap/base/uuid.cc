#include "ddsnap/base/uuid.h"

#include "ddsnap/base/hash.h"

namespace ddsnap {

namespace {

bool is_dash_place(std::size_t byte_index) {
  return byte_index == 4 || byte_index == 6 || byte_index == 8 || byte_index == 10;
}

int hex_value(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

// RFC 4122: version 4, variant 1.
void mark_version(Uuid& uuid) {
  uuid.bytes[6] = (uuid.bytes[6] & std::byte{0x0f}) | std::byte{0x40};
  uuid.bytes[8] = (uuid.bytes[8] & std::byte{0x3f}) | std::byte{0x80};
}

}  // namespace

Uuid Uuid::make(RandomSource& random) {
  Uuid uuid;
  random.fill(uuid.bytes);
  mark_version(uuid);
  return uuid;
}

Uuid Uuid::derived_from(std::span<const std::byte> bytes) {
  Uuid uuid{hash128_of(bytes).bytes};
  mark_version(uuid);
  return uuid;
}

Result<Uuid> Uuid::parse(std::string_view text) {
  const auto bad = [&] { return fail(ErrorCode::kUsage, "not a uuid: " + std::string(text)); };
  if (text.size() != 36) return bad();
  Uuid uuid;
  std::size_t at = 0;
  for (std::size_t i = 0; i < uuid.bytes.size(); ++i) {
    if (is_dash_place(i) && text[at++] != '-') return bad();
    const int high = hex_value(text[at]);
    const int low = hex_value(text[at + 1]);
    if (high < 0 || low < 0) return bad();
    uuid.bytes[i] = static_cast<std::byte>(high * 16 + low);
    at += 2;
  }
  return uuid;
}

std::string Uuid::to_string() const {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (is_dash_place(i)) text += '-';
    text += kDigits[std::to_integer<unsigned>(bytes[i]) >> 4];
    text += kDigits[std::to_integer<unsigned>(bytes[i]) & 15];
  }
  return text;
}

}  // namespace ddsnap
