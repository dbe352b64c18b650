#include "ddsnap/cli/steady_name.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <vector>

#include "ddsnap/base/daemon.h"

namespace ddsnap {

namespace {

namespace fs = std::filesystem;

// The links in one folder that lead to the device, in order.
std::vector<std::string> links_to(dev_t device, const fs::path& folder) {
  std::vector<std::string> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    struct stat facts{};
    const std::string path = entry.path().string();
    if (::stat(path.c_str(), &facts) == 0 && S_ISBLK(facts.st_mode) && facts.st_rdev == device)
      found.push_back(path);
  }
  std::ranges::sort(found);
  return found;
}

// What device-mapper calls "/dev/dm-N"; empty: it is none.
std::string mapper_name_of(const std::string& path) {
  std::ifstream file("/sys/block/" + fs::path(path).filename().string() + "/dm/name");
  std::string name;
  std::getline(file, name);
  return name.empty() ? name : "/dev/mapper/" + name;
}

}  // namespace

SteadyName steady_name_of(const std::string& path, const std::string& links) {
  const std::string absolute = absolute_path(path);
  struct stat facts{};
  std::error_code error;
  if (::stat(absolute.c_str(), &facts) != 0 || !S_ISBLK(facts.st_mode)) return {absolute};
  if (fs::is_symlink(absolute, error) || absolute.starts_with("/dev/mapper/")) return {absolute};
  if (const std::string name = mapper_name_of(absolute); !name.empty()) return {name};
  for (const char* folder : {"by-id", "by-partuuid", "by-path"})
    if (const auto found = links_to(facts.st_rdev, fs::path(links) / folder); !found.empty())
      return {found.front()};
  return {absolute, false};
}

}  // namespace ddsnap
