#include "ddsnap/cli/file_system_kind.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "ddsnap/io/open_device.h"

namespace ddsnap {

namespace {

struct Magic {
  std::string_view kind;
  std::size_t offset_bytes;
  std::string_view bytes;
};
constexpr Magic kMagics[] = {
    {"xfs", 0, "XFSB"}, {"ext4", 1080, "\x53\xef"}, {"btrfs", 65600, "_BHRfS_M"}};
constexpr std::size_t kHeadBytes = 72u << 10;

}  // namespace

Result<std::string> file_system_kind(const std::string& device) {
  const auto source = DD_TRY(open_device(device, DeviceAccess::kReadOnly));
  std::vector<std::byte> head(std::min<std::uint64_t>(kHeadBytes, source->size_bytes()));
  DD_TRY(source->read_at(0, head));
  const std::string_view text(reinterpret_cast<const char*>(head.data()), head.size());
  for (const Magic& magic : kMagics)
    if (text.size() > magic.offset_bytes &&
        text.substr(magic.offset_bytes).starts_with(magic.bytes))
      return std::string(magic.kind);
  return std::string();
}

std::string mount_options(const std::string& kind, bool is_writable) {
  if (is_writable) return kind == "xfs" ? "rw,nouuid" : "rw";
  if (kind == "ext4") return "ro,noload";
  if (kind == "xfs") return "ro,norecovery,nouuid";
  return "ro";
}

}  // namespace ddsnap
