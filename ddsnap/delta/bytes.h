// Reading and writing the pieces of a format in memory: structs, variable-length integers.
//
// Shape     A varint is little-endian base 128: seven bits a byte, the top bit says that more
//           follow (as in Protocol Buffers); at most ten bytes, and no longer than needed.
// Errors    take_*() return nothing when the bytes do not hold what is asked for.
// Threads   Plain values.
// Lifetime  A ByteReader borrows its bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <type_traits>
#include <vector>

namespace ddsnap {

template <class XDisk>
std::span<const std::byte> bytes_of(const XDisk& value) {
  static_assert(std::is_trivially_copyable_v<XDisk> && alignof(XDisk) == 1);
  return std::as_bytes(std::span(&value, 1));
}

template <class XDisk>
void append_struct(std::vector<std::byte>& out, const XDisk& value) {
  const auto bytes = bytes_of(value);
  const std::size_t at = out.size();
  out.resize(at + bytes.size());
  std::memcpy(out.data() + at, bytes.data(), bytes.size());
}

// The struct that fixed bytes hold.
template <class XDisk, std::size_t kBytes>
XDisk struct_in(std::span<const std::byte, kBytes> bytes) {
  static_assert(sizeof(XDisk) == kBytes && alignof(XDisk) == 1);
  XDisk disk;
  std::memcpy(&disk, bytes.data(), kBytes);
  return disk;
}

void append_varint(std::vector<std::byte>& out, std::uint64_t value);

class ByteReader {
 public:
  explicit ByteReader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  template <class XDisk>
  std::optional<XDisk> take_struct() {
    static_assert(std::is_trivially_copyable_v<XDisk> && alignof(XDisk) == 1);
    if (bytes_.size() < sizeof(XDisk)) return std::nullopt;
    XDisk value;
    std::memcpy(&value, bytes_.data(), sizeof value);
    bytes_ = bytes_.subspan(sizeof value);
    return value;
  }
  std::optional<std::uint64_t> take_varint();
  std::optional<std::span<const std::byte>> take_bytes(std::uint64_t count);
  bool is_at_end() const { return bytes_.empty(); }
  std::size_t position() const { return size_bytes_ - bytes_.size(); }

 private:
  std::span<const std::byte> bytes_;
  std::size_t size_bytes_ = bytes_.size();
};

}  // namespace ddsnap
