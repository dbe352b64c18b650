// The way through the kernel target.
#include <fmt/format.h>

#include <filesystem>

#include "ddsnap/cli/attachment.h"
#include "ddsnap/cli/tool.h"

namespace ddsnap {

// The folder's name is one of uuid characters.
std::string LocalAttachment::mapped_name() const {
  return "ddsnap-" + std::filesystem::path(folder_).filename().string();
}

Status LocalAttachment::make_by_mapper(const AttachRequest& request) {
  const std::string table =
      fmt::format("0 {} ddsnap {} {} {} {}", request.size_bytes / 512,
                  request.status.snapstore_path, request.status.origin_path, request.control,
                  request.record.tag.empty() ? "origin" : request.record.tag);
  std::vector<std::string> words = {"dmsetup", "create", mapped_name(), "--table", table};
  if (!record_->is_writable) words.emplace_back("--readonly");
  DD_TRY(run_tool(words));
  record_->device = "/dev/mapper/" + mapped_name();
  return {};
}

Status LocalAttachment::end_mapper() const {
  // Asked for all, since a question about one that is not there is answered by a failure.
  const std::string names = DD_TRY(run_tool({"dmsetup", "ls"}));
  if (("\n" + names).find("\n" + mapped_name() + "\t") == std::string::npos) return {};
  DD_TRY(run_tool({"dmsetup", "remove", "--retry", mapped_name()}));
  return {};
}

}  // namespace ddsnap
