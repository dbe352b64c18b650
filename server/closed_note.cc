#include "server/closed_note.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "ddsnap/delta/atomic_file.h"

namespace ddsnap {

namespace {

namespace fs = std::filesystem;

std::string one_name_of(std::string path) {
  std::ranges::replace(path, '/', '_');
  return path;
}

bool is_file(const std::string& path) {
  std::error_code error;
  return !path.empty() && fs::exists(path, error);
}

}  // namespace

ClosedNote::ClosedNote(std::string folder, const Uuid& store, const std::string& snapstore_path)
    : folder_(std::move(folder)),
      by_uuid_(store.is_nil() ? "" : fmt::format("{}/{}.closed", folder_, store.to_string())),
      by_path_(fmt::format("{}/{}.closed", folder_, one_name_of(snapstore_path))) {}

Status ClosedNote::keep(const std::string& why) const {
  std::error_code error;
  fs::create_directories(folder_, error);
  if (error) return fail_errno("cannot make", folder_, error.value());
  AtomicFile file = DD_TRY(AtomicFile::create(by_uuid_.empty() ? by_path_ : by_uuid_));
  const std::string text = why + "\n";
  DD_TRY(file.write(std::as_bytes(std::span(text))));
  return file.commit();
}

bool ClosedNote::is_there() const {
  return is_file(by_uuid_) || is_file(by_path_);
}

Status ClosedNote::remove() const {
  for (const std::string& path : {by_uuid_, by_path_})
    if (is_file(path) && ::unlink(path.c_str()) != 0) return fail_errno("cannot remove", path);
  return is_file(folder_) ? sync_folder(folder_) : Status{};
}

Result<std::string> closed_note_folder() {
  if (const char* folder = std::getenv("DDSNAP_STATE_DIR"); folder && *folder) return folder;
  if (::geteuid() == 0) return "/var/lib/ddsnap";
  if (const char* state = std::getenv("XDG_STATE_HOME"); state && *state)
    return std::string(state) + "/ddsnap";
  if (const char* home = std::getenv("HOME"); home && *home)
    return std::string(home) + "/.local/state/ddsnap";
  return fail(ErrorCode::kUsage, "no place for notes of a closed store: set DDSNAP_STATE_DIR");
}

}  // namespace ddsnap
