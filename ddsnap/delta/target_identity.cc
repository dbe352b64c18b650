#include "ddsnap/delta/target_identity.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <fstream>

#include "ddsnap/base/hash.h"

namespace ddsnap {

namespace {

// Seed of a hash that is a name, so that it is not met elsewhere.
constexpr std::uint64_t kNameSeed = 0x454d414e54444444;

std::string hash_text(const std::string& text) {
  return fmt::format("{:016x}", checksum_of(std::as_bytes(std::span(text)), kNameSeed));
}

// The first line of a file of sysfs; empty when there is none.
std::string sysfs_line(const struct statx& facts, const char* attribute) {
  std::ifstream file(fmt::format("/sys/dev/block/{}:{}/{}", facts.stx_rdev_major,
                                 facts.stx_rdev_minor, attribute));
  std::string line;
  std::getline(file, line);
  return line;
}

std::string file_identity(const struct statx& facts) {
  const bool has_birth = (facts.stx_mask & STATX_BTIME) != 0;
  return fmt::format("file-{}-{}-{}-{}-{}", facts.stx_dev_major, facts.stx_dev_minor, facts.stx_ino,
                     has_birth ? facts.stx_btime.tv_sec : 0,
                     has_birth ? facts.stx_btime.tv_nsec : 0);
}

bool get_facts(const std::string& path, struct statx& facts) {
  return ::statx(AT_FDCWD, path.c_str(), 0, STATX_BASIC_STATS | STATX_BTIME, &facts) == 0;
}

std::string block_identity(const struct statx& facts) {
  struct statx below{};
  const std::string backing = sysfs_line(facts, "loop/backing_file");
  if (!backing.empty() && get_facts(backing, below) && S_ISREG(below.stx_mode))
    return file_identity(below);
  if (const std::string uuid = sysfs_line(facts, "dm/uuid"); !uuid.empty())
    return "dm-" + hash_text(uuid);
  return fmt::format("block-{}-{}-{}", facts.stx_rdev_major, facts.stx_rdev_minor,
                     sysfs_line(facts, "size"));
}

}  // namespace

std::string target_identity(const std::string& device_name) {
  struct statx facts{};
  if (!get_facts(device_name, facts)) return "name-" + hash_text(device_name);
  if (S_ISREG(facts.stx_mode)) return file_identity(facts);
  if (S_ISBLK(facts.stx_mode)) return block_identity(facts);
  return "name-" + hash_text(device_name);
}

}  // namespace ddsnap
