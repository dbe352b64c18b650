#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "ddsnap/base/proc_text.h"
#include "ddsnap/cli/argument_parser.h"
#include "ddsnap/cli/attach_options.h"
#include "ddsnap/cli/device_content.h"
#include "ddsnap/cli/file_system_kind.h"
#include "ddsnap/cli/tool.h"
#include "ddsnap/cli/verbs.h"
#include "ddsnap/replica/server_address.h"

namespace ddsnap {

namespace {

struct Options {
  AttachWish wish;
  std::string more;  // for mount -o
  std::vector<std::string> objects;
};

bool is_mounted(const std::string& folder) {
  std::ifstream mounts("/proc/self/mounts");
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream words(line);
    std::string device, point;
    words >> device >> point;
    if (unescape_proc_name(point) == folder) return true;
  }
  return false;
}

Result<std::string> real_folder(const std::string& path) {
  char* const real = ::realpath(path.c_str(), nullptr);
  if (real == nullptr) return fail_errno("cannot open", path);
  std::string result = real;
  std::free(real);
  return result;
}

// What mount(8) says of a device without one is not to be understood.
Status check_file_system(const AttachmentRecord& record) {
  const DeviceContent content = DD_TRY(content_of_device(record.device));
  if (content.usage == "filesystem") return {};
  return fail(ErrorCode::kFailed,
              fmt::format("{}: {} has no file system to mount{}", record.server,
                          record.tag.empty() ? "the origin" : "snapshot " + record.tag,
                          content.kind.empty() ? "" : ", but holds " + content.sentence()));
}

Status mount_device(const Options& options, const AttachmentRecord& record,
                    const std::string& folder) {
  DD_TRY(check_file_system(record));
  const std::string kind = DD_TRY(file_system_kind(record.device));
  std::string how = mount_options(kind, record.is_writable);
  if (!options.more.empty()) how += "," + options.more;
  std::vector<std::string> words = {"mount", "-o", how};
  if (!kind.empty()) words.insert(words.end(), {"-t", kind});
  words.insert(words.end(), {record.device, folder});
  DD_TRY(run_tool(words));
  return {};
}

}  // namespace

Result<int> cmd_mount(Arguments arguments) {
  Options options;
  ArgumentParser parser(
      {.name = "mount",
       .usage = "[--write] [-o OPTIONS] [--how WAY] [--control CONTROL] SERVER [TAG] DIR",
       .summary = "Attaches the origin or a snapshot and mounts its file system at DIR, read-only\n"
                  "unless --write. 'ddsnap umount DIR' ends both."});
  declare_attach_options(parser, options.wish);
  parser.text_option("-o,--options", "OPTIONS", options.more, "More options for mount(8)");
  parser.objects(
      "OBJECTS", options.objects,
      "SERVER: a volume's name, or the socket of its server; TAG: the snapshot (default: "
      "the origin); DIR: a folder that is there");
  if (!DD_TRY(parser.parse(arguments))) return 0;

  if (options.objects.size() != 2 && options.objects.size() != 3)
    return fail(ErrorCode::kUsage, "mount: SERVER [TAG] DIR are wanted; see 'ddsnap mount --help'");
  options.wish.server = DD_TRY(server_address(options.objects.front()));
  if (options.objects.size() == 3) options.wish.tag = options.objects[1];
  if (!options.wish.tag.empty()) DD_TRY(check_tag(options.wish.tag));
  const std::string folder = DD_TRY(real_folder(options.objects.back()));
  if (is_mounted(folder))
    return fail(ErrorCode::kBusy, folder + ": something is mounted there already");
  options.wish.mount_point = folder;
  const AttachmentRecord record = DD_TRY(attach_volume(options.wish));
  Status mounted = mount_device(options, record, folder);
  if (mounted) return 0;
  if (record.mount_point == folder) (void)detach_volume(record.server, record.tag);
  return std::unexpected(std::move(mounted).error());
}

Result<int> cmd_umount(Arguments arguments) {
  std::string path;
  ArgumentParser parser({.name = "umount",
                         .usage = "DIR",
                         .summary = "Unmounts what 'ddsnap mount' mounted at DIR and detaches what "
                                    "it attached for that.\nInterrupted, it is run again."});
  parser.object("DIR", path, "As given to 'ddsnap mount'");
  if (!DD_TRY(parser.parse(arguments))) return 0;

  const std::string folder = DD_TRY(real_folder(path));
  const std::vector<AttachmentRecord> all = LocalAttachment::all();
  const auto ours = std::ranges::find(all, folder, &AttachmentRecord::mount_point);
  const bool was_mounted = is_mounted(folder);
  if (!was_mounted && ours == all.end())
    return fail(ErrorCode::kNotFound, folder + ": nothing is mounted there");
  if (was_mounted) DD_TRY(run_tool({"umount", folder}));
  if (ours != all.end()) DD_TRY(detach_volume(ours->server, ours->tag));
  return 0;
}

}  // namespace ddsnap
