// Names that stay: links, mapped devices and files keep theirs; a bare node gets the link by
// identity before the one by place, and is told where there is none.
#include "ddsnap/cli/steady_name.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "tests/support/temp_dir.h"

namespace ddsnap {
namespace {

namespace fs = std::filesystem;

// Some block device that is no mapped one; only its node is looked at.
std::string some_block_device() {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/dev", error)) {
    struct stat facts{};
    if (::lstat(entry.path().c_str(), &facts) == 0 && S_ISBLK(facts.st_mode) &&
        !entry.path().filename().string().starts_with("dm-"))
      return entry.path().string();
  }
  return {};
}

TEST(SteadyName, LinksMappedDevicesAndFilesStay) {
  const test::TempDir dir;
  EXPECT_EQ(steady_name_of("/dev/mapper/x").path, "/dev/mapper/x");
  EXPECT_EQ(steady_name_of(dir.file("file")).path, dir.file("file"));
  EXPECT_TRUE(steady_name_of(dir.file("file")).is_steady);
  if (const std::string device = some_block_device(); !device.empty()) {
    fs::create_symlink(device, dir.file("link"));
    EXPECT_EQ(steady_name_of(dir.file("link")).path, dir.file("link"));
  }
}

TEST(SteadyName, ANodeGetsItsBestLink) {
  const std::string device = some_block_device();
  if (device.empty()) GTEST_SKIP() << "no block device in /dev";
  const test::TempDir dir;
  EXPECT_FALSE(steady_name_of(device, dir.path().string()).is_steady);
  EXPECT_EQ(steady_name_of(device, dir.path().string()).path, device);
  for (const char* folder : {"by-path", "by-id"}) {
    fs::create_directory(dir.path() / folder);
    fs::create_symlink(device, dir.path() / folder / "b");
    fs::create_symlink(device, dir.path() / folder / "a");
    fs::create_symlink("/dev/null", dir.path() / folder / "0");
    EXPECT_EQ(steady_name_of(device, dir.path().string()).path, dir.path() / folder / "a");
    EXPECT_TRUE(steady_name_of(device, dir.path().string()).is_steady);
  }
}

}  // namespace
}  // namespace ddsnap
