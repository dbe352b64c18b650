#include "ddsnap/cli/attachment.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <span>

#include "ddsnap/base/uuid.h"
#include "ddsnap/cli/tool.h"
#include "ddsnap/delta/atomic_file.h"

namespace ddsnap {

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr const char* kRecordName = "attachment.json";

// Short, for the socket in it, and the same for every spelling of the server's path.
std::string folder_for(const std::string& server, const std::string& tag) {
  const std::string text = server + "#" + tag;
  return run_folder() + "/" + Uuid::derived_from(std::as_bytes(std::span(text))).to_string();
}

Status make_folder(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return {};
  return fail_errno("cannot make", path);
}

// Beside the folder, and gone with it: who waited for one that is gone waits for the next.
Result<UniqueFd> take_lock(const std::string& path) {
  for (;;) {
    UniqueFd lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!lock || ::flock(lock.get(), LOCK_EX) != 0) return fail_errno("cannot lock", path);
    struct stat ours{}, named{};
    if (::fstat(lock.get(), &ours) == 0 && ::stat(path.c_str(), &named) == 0 &&
        ours.st_ino == named.st_ino)
      return lock;
  }
}

Json to_json(const AttachmentRecord& record) {
  return {{"way", record.way == AttachWay::kMapped ? "dm" : "nbdfuse"},
          {"server", record.server},
          {"tag", record.tag},
          {"writable", record.is_writable},
          {"device", record.device},
          {"mount_point", record.mount_point},
          {"name", record.name}};
}

std::optional<AttachmentRecord> read_record(const std::string& path) {
  std::ifstream file(path);
  if (!file) return std::nullopt;
  const Json json = Json::parse(file, nullptr, false);
  if (!json.is_object()) return AttachmentRecord{};  // cut off while it was written: end it all
  return AttachmentRecord{
      .way = json.value("way", "") == "dm" ? AttachWay::kMapped : AttachWay::kFuse,
      .server = json.value("server", ""),
      .tag = json.value("tag", ""),
      .is_writable = json.value("writable", false),
      .device = json.value("device", ""),
      .mount_point = json.value("mount_point", ""),
      .name = json.value("name", "")};
}

}  // namespace

std::string run_folder() {
  const char* const given = std::getenv("DDSNAP_RUN_DIR");
  return given != nullptr && *given != '\0' ? given : "/run/ddsnap";
}

Result<LocalAttachment> LocalAttachment::open(const std::string& server, const std::string& tag) {
  DD_TRY(make_folder(run_folder()));
  const std::string folder = folder_for(server, tag);
  LocalAttachment attachment(folder, DD_TRY(take_lock(folder + ".lock")));
  attachment.record_ = read_record(attachment.path(kRecordName));
  return attachment;
}

std::vector<AttachmentRecord> LocalAttachment::all() {
  std::vector<AttachmentRecord> records;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(run_folder(), error))
    if (auto record = read_record((entry.path() / kRecordName).string()))
      records.push_back(*std::move(record));
  return records;
}

bool LocalAttachment::is_whole() const {
  struct stat facts{};
  if (!record_ || record_->device.empty()) return false;
  if (::stat(record_->device.c_str(), &facts) != 0 || !S_ISBLK(facts.st_mode)) return false;
  if (record_->way == AttachWay::kMapped) return true;
  // The file below the loop device is there as long as nbdfuse lives.
  const std::vector<std::string> ours = loops();
  const bool is_mapped =
      !record_->name.empty() && record_->device == "/dev/mapper/" + record_->name;
  return (is_mapped ? !ours.empty() : std::ranges::find(ours, record_->device) != ours.end()) &&
         ::stat(path("fuse/disk").c_str(), &facts) == 0;
}

Status LocalAttachment::save() {
  auto file = DD_TRY(AtomicFile::create(path(kRecordName)));
  const std::string text = to_json(*record_).dump(2) + "\n";
  DD_TRY(file.write(std::as_bytes(std::span(text))));
  return file.commit();
}

Status LocalAttachment::make(const AttachRequest& request) {
  DD_CHECK(!record_);
  DD_TRY(make_folder(folder_));
  record_ = request.record;
  DD_TRY(save());
  Status made =
      request.record.way == AttachWay::kMapped ? make_by_mapper(request) : make_by_fuse(request);
  if (made) made = save();
  if (made) return {};
  if (const Status ended = end(); !ended)
    return with_context(made.error().message(), ended.error());
  return made;
}

// A loop device is only marked for its end while somebody has it open, and the mapper's own refusal
// names nobody.
Status LocalAttachment::check_unused() const {
  if (record_->device.empty()) return {};
  const UniqueFd probe(::open(record_->device.c_str(), O_RDONLY | O_EXCL | O_CLOEXEC));
  if (probe || errno != EBUSY) return {};
  return fail(ErrorCode::kBusy,
              fmt::format("{}: mounted, or part of another device", record_->device));
}

Status LocalAttachment::end() {
  std::error_code error;
  if (record_) {
    DD_TRY(check_unused());
    DD_TRY(record_->way == AttachWay::kMapped ? unmap() : end_fuse());
    fs::remove_all(folder_, error);
    if (error) return fail_errno("cannot remove", folder_, error.value());
    record_.reset();
  }
  fs::remove(folder_ + ".lock", error);
  return {};
}

namespace {

bool has_kernel_target() {
  const auto targets = run_tool({"dmsetup", "targets"});
  return targets && ("\n" + *targets).find("\nddsnap ") != std::string::npos;
}

}  // namespace

Result<AttachWay> choose_way(const std::string& control) {
  struct stat facts{};
  const bool has_control = ::stat(control.c_str(), &facts) == 0 || control.starts_with('@');
  if (has_control && has_tool("dmsetup")) {
    // A module that is installed and was not asked for yet.
    if (!has_kernel_target()) (void)run_tool({"modprobe", "-q", "dm-ddsnap"});
    if (has_kernel_target()) return AttachWay::kMapped;
  }
  std::string missing;
  for (const char* tool : {"nbdkit", "nbdfuse", "losetup"})
    if (!has_tool(tool)) missing += (missing.empty() ? "" : ", ") + std::string(tool);
  if (missing.empty()) return AttachWay::kFuse;
  return fail(ErrorCode::kNotFound,
              fmt::format("no way to a block device: the kernel has no ddsnap target, and not "
                          "installed: {}",
                          missing));
}

}  // namespace ddsnap
