#include "ddsnap/base/hash.h"

#include <cstring>

namespace ddsnap {

Hash128 hash128_of(std::span<const std::byte> bytes) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes.data(), bytes.size()));
  Hash128 result;
  std::memcpy(result.bytes.data(), canonical.digest, sizeof canonical.digest);
  return result;
}

// A buffer is zero when its first byte is and it equals itself shifted by one: memcmp does the work
// at memory speed.
bool is_all_zero(std::span<const std::byte> bytes) {
  if (bytes.empty()) return true;
  return bytes[0] == std::byte{0} &&
         std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0;
}

}  // namespace ddsnap
