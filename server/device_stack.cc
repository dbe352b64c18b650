#include "server/device_stack.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <set>
#include <sstream>

namespace ddsnap {

namespace {

namespace fs = std::filesystem;

std::string first_line(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::optional<dev_t> parse_device(const std::string& text) {
  unsigned major_number = 0;
  unsigned minor_number = 0;
  char colon = 0;
  std::istringstream in(text);
  if (!(in >> major_number >> colon >> minor_number) || colon != ':') return std::nullopt;
  return makedev(major_number, minor_number);
}

fs::path sysfs_of(dev_t device) {
  return fmt::format("/sys/dev/block/{}:{}", major(device), minor(device));
}

// One walk down the stack; `seen` ends loops.
class Walk {
 public:
  explicit Walk(const StackBottom& bottom) : bottom_(bottom) {}

  bool reaches(dev_t device) {
    if (bottom_.is_block_device && device == bottom_.device) return true;
    if (!seen_.insert(device).second) return false;
    return reaches_by_slaves(device) || reaches_by_partition(device) || reaches_by_file(device);
  }

 private:
  bool reaches_by_slaves(dev_t device) {
    std::error_code error;
    for (const auto& slave : fs::directory_iterator(sysfs_of(device) / "slaves", error)) {
      const auto below = parse_device(first_line(slave.path() / "dev"));
      if (below && reaches(*below)) return true;
    }
    return false;
  }

  bool reaches_by_partition(dev_t device) {
    std::error_code error;
    if (!fs::exists(sysfs_of(device) / "partition", error)) return false;
    const fs::path real = fs::canonical(sysfs_of(device), error);
    if (error) return false;
    const auto disk = parse_device(first_line(real.parent_path() / "dev"));
    return disk && reaches(*disk);
  }

  bool reaches_by_file(dev_t device) {
    const std::string file = first_line(sysfs_of(device) / "loop" / "backing_file");
    struct stat facts{};
    if (file.empty() || ::stat(file.c_str(), &facts) != 0) return false;
    if (S_ISBLK(facts.st_mode)) return reaches(facts.st_rdev);
    const bool is_bottom =
        !bottom_.is_block_device && facts.st_dev == bottom_.device && facts.st_ino == bottom_.inode;
    return is_bottom || reaches(facts.st_dev);
  }

  const StackBottom& bottom_;
  std::set<dev_t> seen_;
};

}  // namespace

Result<StackBottom> stack_bottom_of(int fd, const std::string& name) {
  struct stat facts{};
  if (::fstat(fd, &facts) != 0) return fail_errno("cannot look at", name);
  if (S_ISBLK(facts.st_mode)) return StackBottom{.is_block_device = true, .device = facts.st_rdev};
  return StackBottom{.is_block_device = false, .device = facts.st_dev, .inode = facts.st_ino};
}

bool stands_on(dev_t block_device, const StackBottom& bottom) {
  return Walk(bottom).reaches(block_device);
}

Status refuse_path_on(const std::string& path, const char* what, const StackBottom& bottom) {
  if (path.empty() || path.front() == '@') return {};
  struct stat facts{};
  fs::path at = fs::path(path);
  while (::stat(at.c_str(), &facts) != 0) {
    const fs::path parent = at.has_parent_path() ? at.parent_path() : fs::path(".");
    if (parent == at) return {};
    at = parent;
  }
  if (!stands_on(facts.st_dev, bottom)) return {};
  return fail(ErrorCode::kUsage,
              fmt::format("the {} {} lies on a file system on the origin: the server would wait "
                          "for itself",
                          what, path));
}

Status refuse_swap_on(const StackBottom& bottom) {
  std::ifstream swaps("/proc/swaps");
  std::string line;
  std::getline(swaps, line);  // the heading
  while (std::getline(swaps, line)) {
    const std::string path = line.substr(0, line.find_first_of(" \t"));
    struct stat facts{};
    if (::stat(path.c_str(), &facts) != 0) continue;
    if (stands_on(S_ISBLK(facts.st_mode) ? facts.st_rdev : facts.st_dev, bottom))
      return fail(ErrorCode::kUsage,
                  fmt::format("the swap area {} lies on the origin: swap on a protected volume "
                              "is not supported",
                              path));
  }
  return {};
}

}  // namespace ddsnap
