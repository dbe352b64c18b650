#include "ddsnap/cli/fstab.h"

#include <strings.h>
#include <sys/stat.h>

#include <fstream>
#include <sstream>
#include <string_view>

namespace ddsnap {

namespace {

bool is_same_device(const std::string& one, const std::string& other) {
  struct stat first{}, second{};
  return one == other ||
         (::stat(one.c_str(), &first) == 0 && ::stat(other.c_str(), &second) == 0 &&
          S_ISBLK(first.st_mode) && S_ISBLK(second.st_mode) && first.st_rdev == second.st_rdev);
}

std::string without_quotes(std::string text) {
  std::erase(text, '"');
  return text;
}

bool means(const std::string& told, const std::string& device, const DeviceContent& content) {
  const auto equals = told.find('=');
  if (told.starts_with('/')) return is_same_device(told, device);
  if (equals == std::string::npos) return false;
  const std::string_view tag = std::string_view(told).substr(0, equals);
  const std::string value = without_quotes(told.substr(equals + 1));
  if (value.empty()) return false;
  if (tag == "UUID") return ::strcasecmp(value.c_str(), content.uuid.c_str()) == 0;
  if (tag == "LABEL") return value == content.label;
  if (tag == "PARTUUID") return is_same_device("/dev/disk/by-partuuid/" + value, device);
  if (tag == "PARTLABEL") return is_same_device("/dev/disk/by-partlabel/" + value, device);
  return tag == "ID" && is_same_device("/dev/disk/by-id/" + value, device);
}

}  // namespace

std::vector<FstabLine> fstab_lines_of(const std::string& device, const DeviceContent& content,
                                      const std::string& fstab) {
  std::vector<FstabLine> found;
  std::ifstream file(fstab);
  int number = 0;
  for (std::string text; std::getline(file, text);) {
    ++number;
    FstabLine line{.number = number, .device = {}, .mount_point = {}};
    std::istringstream words(text);
    words >> line.device >> line.mount_point;
    if (!line.device.empty() && line.device.front() != '#' && means(line.device, device, content))
      found.push_back(line);
  }
  return found;
}

}  // namespace ddsnap
