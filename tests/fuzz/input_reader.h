// Takes the bytes of a fuzz input apart; after its end everything is zero.
//
// Lifetime  Borrows the input.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

namespace ddsnap::fuzz {

class InputReader {
 public:
  explicit InputReader(std::span<const std::byte> input) : rest_(input) {}

  bool is_at_end() const { return rest_.empty(); }
  std::uint8_t u8() {
    const auto one = take(1);
    return one.empty() ? std::uint8_t{0} : static_cast<std::uint8_t>(one[0]);
  }
  std::uint16_t u16() { return static_cast<std::uint16_t>(u8() | u8() << 8); }
  std::uint32_t u32() { return u16() | std::uint32_t{u16()} << 16; }
  std::uint64_t u64() { return u32() | std::uint64_t{u32()} << 32; }
  // Fewer where there are no more.
  std::span<const std::byte> take(std::size_t count) {
    const auto taken = rest_.first(std::min(count, rest_.size()));
    rest_ = rest_.subspan(taken.size());
    return taken;
  }
  std::span<const std::byte> take_all() { return take(rest_.size()); }

 private:
  std::span<const std::byte> rest_;
};

}  // namespace ddsnap::fuzz
