#include "ddsnap/delta/stored_text.h"

#include <algorithm>

#include "ddsnap/delta/changelist.h"

namespace ddsnap {

XDiskTag pack_tag(const std::string& tag) {
  DD_CHECK(tag.size() <= kMaxTagBytes);
  XDiskTag disk{};
  disk.length_bytes = static_cast<std::uint8_t>(tag.size());
  std::memcpy(disk.text, tag.data(), tag.size());
  return disk;
}

Result<std::string> unpack_tag(const XDiskTag& disk) {
  if (disk.length_bytes > kMaxTagBytes) return fail(ErrorCode::kDamaged, "a tag in it is too long");
  std::string tag(disk.text, disk.length_bytes);
  DD_TRY(check_stored_tag(tag));
  const auto is_zero = [](char c) { return c == 0; };
  if (!std::all_of(disk.text + disk.length_bytes, disk.text + kMaxTagBytes, is_zero))
    return fail(ErrorCode::kDamaged, "a tag in it is no tag");
  return tag;
}

}  // namespace ddsnap
