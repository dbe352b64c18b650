// Little-endian integers with alignment 1: the only integers that structs on disk and on the wire
// are made of.
//
// Shape     le16{v} stores, .get() loads. Structs made of these and of byte arrays have no padding
// and may be copied whole.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

namespace ddsnap {

template <class T>
class LittleEndian {
 public:
  LittleEndian() = default;
  LittleEndian(T value) { set(value); }  // NOLINT: storing into a field is meant to read like one
  T get() const {
    T value;
    std::memcpy(&value, bytes_, sizeof value);
    return swapped(value);
  }
  void set(T value) {
    value = swapped(value);
    std::memcpy(bytes_, &value, sizeof value);
  }

 private:
  static T swapped(T value) {
    if constexpr (std::endian::native == std::endian::little) return value;
    T result = 0;
    for (unsigned i = 0; i < sizeof(T); ++i, value = static_cast<T>(value >> 8))
      result = static_cast<T>((result << 8) | (value & 0xff));
    return result;
  }
  unsigned char bytes_[sizeof(T)] = {};
};

using le16 = LittleEndian<std::uint16_t>;
using le32 = LittleEndian<std::uint32_t>;
using le64 = LittleEndian<std::uint64_t>;

static_assert(sizeof(le64) == 8 && alignof(le64) == 1);

}  // namespace ddsnap
