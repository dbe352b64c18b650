#include "ddsnap/replica/device_users.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <boost/filesystem.hpp>
#include <cerrno>
#include <fstream>

#include "ddsnap/base/unique_fd.h"

namespace ddsnap {

namespace {

namespace fs = boost::filesystem;

bool is_same(const struct stat& one, const std::string& path) {
  struct stat other{};
  if (::stat(path.c_str(), &other) != 0) return false;
  if (S_ISBLK(one.st_mode)) return S_ISBLK(other.st_mode) && one.st_rdev == other.st_rdev;
  return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

std::string loop_over(const struct stat& facts) {
  boost::system::error_code error;
  for (fs::directory_iterator at("/sys/block", error), end; !error && at != end;
       at.increment(error)) {
    std::ifstream file((at->path() / "loop/backing_file").string());
    std::string backing;
    if (std::getline(file, backing) && is_same(facts, backing))
      return "/dev/" + at->path().filename().string();
  }
  return {};
}

bool is_swap(const struct stat& facts) {
  std::ifstream swaps("/proc/swaps");
  std::string name, rest;
  std::getline(swaps, rest);  // the headings
  while (swaps >> name && std::getline(swaps, rest))
    if (is_same(facts, name)) return true;
  return false;
}

// Only asked: device-mapper's own claim on the device must stay possible, so nothing is held.
bool is_claimed(const std::string& path) {
  const UniqueFd probe(::open(path.c_str(), O_RDONLY | O_EXCL | O_NONBLOCK | O_CLOEXEC));
  return !probe && errno == EBUSY;
}

}  // namespace

std::string user_of_device(const std::string& path) {
  struct stat facts{};
  if (::stat(path.c_str(), &facts) != 0) return {};
  if (is_swap(facts)) return "swap";
  if (S_ISBLK(facts.st_mode) && is_claimed(path)) return "mounted, or part of another device";
  const std::string loop = loop_over(facts);
  return loop.empty() ? loop : "it is what " + loop + " is made of";
}

}  // namespace ddsnap
