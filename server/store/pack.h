// Appending disk structs to bytes and taking them off again, with the end always checked.
//
// Errors    take(): kDamaged when the bytes end too early.
// Lifetime  An Unpacker borrows its bytes.
#pragma once

#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "ddsnap/base/result.h"

namespace ddsnap {

template <class Disk>
void pack(const Disk& disk, std::vector<std::byte>& out) {
  static_assert(std::is_trivially_copyable_v<Disk> && alignof(Disk) == 1);
  const auto bytes = std::as_bytes(std::span(&disk, 1));
  out.insert(out.end(), bytes.begin(), bytes.end());
}

class Unpacker {
 public:
  explicit Unpacker(std::span<const std::byte> bytes) : bytes_(bytes) {}

  template <class Disk>
  Result<Disk> take() {
    static_assert(std::is_trivially_copyable_v<Disk> && alignof(Disk) == 1);
    if (bytes_.size() < sizeof(Disk)) return ended();
    Disk disk;
    std::memcpy(&disk, bytes_.data(), sizeof disk);
    bytes_ = bytes_.subspan(sizeof disk);
    return disk;
  }
  Result<std::span<const std::byte>> take_bytes(std::uint64_t count) {
    if (bytes_.size() < count) return ended();
    const auto taken = bytes_.first(count);
    bytes_ = bytes_.subspan(count);
    return taken;
  }
  // Before a vector of `count` structs is made: so many must be there.
  template <class Disk>
  Status expect(std::uint64_t count) const {
    if (count > bytes_.size() / sizeof(Disk)) return ended();
    return {};
  }
  bool is_at_end() const { return bytes_.empty(); }
  std::size_t remaining() const { return bytes_.size(); }

 private:
  static std::unexpected<Error> ended() {
    return fail(ErrorCode::kDamaged, "metadata ends too early");
  }
  std::span<const std::byte> bytes_;
};

// Text in a fixed, zero-padded field.
template <std::size_t N>
void pack_text(const std::string& text, std::array<char, N>& field) {
  DD_CHECK(text.size() < N);
  field.fill(0);
  std::memcpy(field.data(), text.data(), text.size());
}
// kDamaged for a field without a zero at its end, which pack_text() never leaves.
template <std::size_t N>
Result<std::string> unpack_text(const std::array<char, N>& field) {
  const std::size_t length = strnlen(field.data(), N);
  if (length == N) return fail(ErrorCode::kDamaged, "a text in the metadata has no end");
  return std::string(field.data(), length);
}

}  // namespace ddsnap
