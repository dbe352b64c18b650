#include "ddsnap/delta/bytes.h"

namespace ddsnap {

void append_varint(std::vector<std::byte>& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<std::byte>(value | 0x80));
  out.push_back(static_cast<std::byte>(value));
}

std::optional<std::uint64_t> ByteReader::take_varint() {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64 && !bytes_.empty(); shift += 7) {
    const auto byte = std::to_integer<std::uint64_t>(bytes_[0]);
    bytes_ = bytes_.subspan(1);
    if (shift == 63 && byte > 1) return std::nullopt;
    value |= (byte & 0x7f) << shift;
    if (byte >= 0x80) continue;
    if (byte == 0 && shift != 0) return std::nullopt;  // longer than needed
    return value;
  }
  return std::nullopt;
}

std::optional<std::span<const std::byte>> ByteReader::take_bytes(std::uint64_t count) {
  if (bytes_.size() < count) return std::nullopt;
  const auto taken = bytes_.first(count);
  bytes_ = bytes_.subspan(count);
  return taken;
}

}  // namespace ddsnap
