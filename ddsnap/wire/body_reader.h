// Takes a body apart and remembers the first thing that was wrong with it, so that a decoder reads
// straight down and asks once, at the end.
//
// Shape     The mirror of BodyWriter. After a failure every read gives zeros and empty texts.
// Errors    finish(): kDamaged with a sentence; bytes left over are a failure too.
// Threads   A plain value.
// Lifetime  Borrows the body.
#pragma once

#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "ddsnap/base/endian.h"
#include "ddsnap/base/result.h"
#include "ddsnap/base/uuid.h"

namespace ddsnap {

class BodyReader {
 public:
  explicit BodyReader(std::span<const std::byte> body) : rest_(body) {}

  std::uint8_t u8() { return plain<std::uint8_t>(); }
  std::uint16_t u16() { return plain<le16>().get(); }
  std::uint32_t u32() { return plain<le32>().get(); }
  std::uint64_t u64() { return plain<le64>().get(); }
  Uuid uuid() { return {plain<std::array<std::byte, 16>>()}; }
  // Written as 0 or 1.
  bool flag();
  std::string text(std::size_t max_bytes);
  // Exactly so many bytes, none of them zero.
  std::string bytes(std::size_t length_bytes);
  template <class T>
  T plain() {
    static_assert(std::is_trivially_copyable_v<T>);
    T value{};
    if (take(sizeof value)) std::memcpy(&value, taken_.data(), sizeof value);
    return value;
  }

  // A number of elements that follow, each of at least min_element_bytes.
  std::uint32_t count(std::uint32_t value, std::uint32_t at_most, std::size_t min_element_bytes);
  void require(bool holds, const char* what) {
    if (!holds) reject(what);
  }
  // Keeps the first reason.
  void reject(const std::string& what);
  // Nothing was wrong and nothing is left.
  Status finish();

 private:
  bool take(std::size_t length_bytes);

  std::span<const std::byte> rest_;
  std::span<const std::byte> taken_;
  std::optional<Error> error_;
};

// The text of a zero-padded field; rejects one without a zero at its end or with bytes after it.
std::string get_padded(BodyReader& reader, std::span<const std::uint8_t> field);

}  // namespace ddsnap
