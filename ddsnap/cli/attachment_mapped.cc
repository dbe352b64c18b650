// The way through the kernel target, and what device-mapper does for the other one.
#include <fcntl.h>
#include <fmt/format.h>

#include <filesystem>
#include <sstream>

#include "ddsnap/base/unique_fd.h"
#include "ddsnap/cli/attachment.h"
#include "ddsnap/cli/tool.h"

namespace ddsnap {

namespace {

bool has_device_mapper() {
  // The node may be there without a driver behind it.
  return UniqueFd(::open("/dev/mapper/control", O_RDWR | O_CLOEXEC)) && has_tool("dmsetup");
}

}  // namespace

// The folder's name is one of uuid characters.
std::string LocalAttachment::mapped_name() const {
  if (!record_->name.empty()) return record_->name;
  return "ddsnap-" + std::filesystem::path(folder_).filename().string();
}

// By it udev knows an origin from a snapshot: both have the same file system's uuid and label, and
// /dev/disk/by-uuid is to name the origin (scripts/systemd/61-ddsnap.rules).
std::string LocalAttachment::mapped_uuid() const {
  return fmt::format("DDSNAP-{}-{}", record_->tag.empty() ? "origin" : "snapshot",
                     std::filesystem::path(folder_).filename().string());
}

Status LocalAttachment::map(const std::string& table) {
  std::vector<std::string> words = {"dmsetup",     "create",  mapped_name(), "--uuid",
                                    mapped_uuid(), "--table", table};
  if (!record_->is_writable) words.emplace_back("--readonly");
  DD_TRY(run_tool(words));
  record_->device = "/dev/mapper/" + mapped_name();
  return {};
}

Status LocalAttachment::make_by_mapper(const AttachRequest& request) {
  return map(fmt::format("0 {} ddsnap {} {} {} {}", request.size_bytes / 512,
                         request.status.snapstore_path, request.status.origin_path, request.control,
                         record_->tag.empty() ? "origin" : record_->tag));
}

// A loop device under the name that its volume has with the kernel target too.
Status LocalAttachment::map_loop() {
  if (record_->name.empty() || !has_device_mapper()) return {};
  const std::string sectors = DD_TRY(run_tool({"blockdev", "--getsz", record_->device}));
  return map(fmt::format("0 {} linear {} 0", sectors, record_->device));
}

// Nothing by that uuid is there: fine. A device of another's with our name stays.
Status LocalAttachment::unmap() const {
  if (!has_device_mapper()) return {};
  const std::string all = DD_TRY(
      run_tool({"dmsetup", "info", "-c", "--noheadings", "--separator", " ", "-o", "name,uuid"}));
  std::istringstream lines(all);
  for (std::string line; std::getline(lines, line);)
    if (line == mapped_name() + " " + mapped_uuid()) {
      DD_TRY(run_tool({"dmsetup", "remove", "--retry", mapped_name()}));
      return {};
    }
  return {};
}

}  // namespace ddsnap
