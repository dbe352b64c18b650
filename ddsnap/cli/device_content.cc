#include "ddsnap/cli/device_content.h"

#include <blkid/blkid.h>
#include <fcntl.h>
#include <fmt/format.h>

#include <memory>

#include "ddsnap/base/unique_fd.h"

namespace ddsnap {

namespace {

struct FreeProbe {
  void operator()(blkid_probe probe) const { blkid_free_probe(probe); }
};
using Probe = std::unique_ptr<std::remove_pointer_t<blkid_probe>, FreeProbe>;

// Borrows the descriptor.
Result<Probe> make_probe(const UniqueFd& fd, const std::string& path) {
  Probe probe(blkid_new_probe());
  if (!probe || blkid_probe_set_device(probe.get(), fd.get(), 0, 0) != 0)
    return fail(ErrorCode::kFailed, path + ": libblkid cannot look at it");
  blkid_probe_enable_superblocks(probe.get(), 1);
  blkid_probe_set_superblocks_flags(probe.get(), BLKID_SUBLKS_TYPE | BLKID_SUBLKS_USAGE |
                                                     BLKID_SUBLKS_LABEL | BLKID_SUBLKS_UUID |
                                                     BLKID_SUBLKS_MAGIC | BLKID_SUBLKS_BADCSUM);
  blkid_probe_enable_partitions(probe.get(), 1);
  blkid_probe_set_partitions_flags(probe.get(), BLKID_PARTS_MAGIC | BLKID_PARTS_FORCE_GPT);
  return probe;
}

std::string value_of(const Probe& probe, const char* name) {
  const char* text = nullptr;
  return blkid_probe_lookup_value(probe.get(), name, &text, nullptr) == 0 ? text : "";
}

bool is_vowel(char c) {
  return std::string_view("aeio").find(c) != std::string_view::npos;
}

}  // namespace

std::string DeviceContent::sentence() const {
  if (kind.empty()) return "nothing that is known";
  const char* const article = is_vowel(kind.front()) ? "an" : "a";
  std::string text = fmt::format("{} {} {}", article, kind,
                                 usage == "filesystem"   ? "file system"
                                 : usage == "partitions" ? "partition table"
                                                         : "signature");
  if (kind == "LVM2_member") text = "a physical volume of LVM";
  if (kind == "linux_raid_member") text = "a member of a RAID";
  if (kind == "crypto_LUKS") text = "an encrypted volume (LUKS)";
  if (kind == "swap") text = "a swap area";
  if (!label.empty()) text += fmt::format(", label '{}'", label);
  if (!uuid.empty()) text += ", UUID " + uuid;
  return text;
}

Result<DeviceContent> content_of_device(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return fail_errno("cannot open", path);
  const Probe probe = DD_TRY(make_probe(fd, path));
  DeviceContent content;
  switch (blkid_do_probe(probe.get())) {
    case 1:
      return content;
    case 0:
      break;
    default:
      return fail(ErrorCode::kIo, path + ": cannot be looked at by libblkid");
  }
  content.kind = value_of(probe, "TYPE");
  content.usage = value_of(probe, "USAGE");
  content.label = value_of(probe, "LABEL");
  content.uuid = value_of(probe, "UUID");
  if (content.kind.empty()) {
    content.kind = value_of(probe, "PTTYPE");
    content.usage = "partitions";
  }
  if (content.kind.empty()) content.kind = "unknown";
  return content;
}

Status wipe_device_content(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!fd) return fail_errno("cannot open", path);
  const Probe probe = DD_TRY(make_probe(fd, path));
  while (blkid_do_probe(probe.get()) == 0)
    if (blkid_do_wipe(probe.get(), 0) != 0)
      return fail_errno("cannot wipe the signatures of", path);
  if (::fsync(fd.get()) != 0) return fail_errno("cannot flush", path);
  return {};
}

}  // namespace ddsnap
