#include "ddsnap/wire/body_reader.h"

#include <algorithm>

namespace ddsnap {

bool BodyReader::take(std::size_t length_bytes) {
  if (!error_ && rest_.size() < length_bytes) reject("it ends too early");
  if (error_) return false;
  taken_ = rest_.first(length_bytes);
  rest_ = rest_.subspan(length_bytes);
  return true;
}

bool BodyReader::flag() {
  const std::uint8_t value = u8();
  require(value <= 1, "a flag is neither 0 nor 1");
  return value == 1;
}

std::string BodyReader::text(std::size_t max_bytes) {
  const std::size_t length_bytes = u16();
  require(length_bytes <= max_bytes, "a text is too long");
  return bytes(length_bytes);
}

std::string BodyReader::bytes(std::size_t length_bytes) {
  if (!take(length_bytes)) return {};
  std::string result(reinterpret_cast<const char*>(taken_.data()), taken_.size());
  require(result.find('\0') == std::string::npos, "a text holds a zero byte");
  return result;
}

std::uint32_t BodyReader::count(std::uint32_t value, std::uint32_t at_most,
                                std::size_t min_element_bytes) {
  require(value <= at_most, "it counts too many elements");
  require(value <= rest_.size() / min_element_bytes, "it counts more elements than it holds");
  return error_ ? 0 : value;
}

void BodyReader::reject(const std::string& what) {
  if (!error_) error_ = Error{ErrorCode::kDamaged, 0, "malformed message: " + what};
  rest_ = {};
}

Status BodyReader::finish() {
  if (!error_ && !rest_.empty()) reject("bytes are left over");
  if (error_) return std::unexpected(*error_);
  return {};
}

std::string get_padded(BodyReader& reader, std::span<const std::uint8_t> field) {
  const auto end = std::ranges::find(field, std::uint8_t{0});
  const bool is_padded = std::all_of(end, field.end(), [](std::uint8_t c) { return c == 0; });
  reader.require(end != field.end() && is_padded, "a text is not zero-padded");
  return {field.begin(), end};
}

}  // namespace ddsnap
