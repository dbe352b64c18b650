// Which files lie on the origin (T9): judged here by pretending that the origin is the device below
// the test's own directory. Swap is looked
// for in texts as /proc has them, and over a real loop device where there is one (root).
#include "ddsnap/io/device_stack.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <fstream>

#include "tests/support/loop_device.h"
#include "tests/support/temp_dir.h"

namespace ddsnap::test {
namespace {

class DeviceStack : public ::testing::Test {
 protected:
  DeviceStack() {
    struct stat facts{};
    EXPECT_EQ(::stat(directory_.path().c_str(), &facts), 0);
    here_ = {.is_block_device = true, .device = facts.st_dev};
  }

  TempDir directory_;
  StackBottom here_;
};

TEST_F(DeviceStack, FileOnTheOriginIsRefusedWhetherItExistsOrNot) {
  const Status refused = refuse_path_on(directory_.file("not/yet/there"), "log", here_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUsage);
  EXPECT_NE(refused.error().text.find("the log "), std::string::npos);
  EXPECT_FALSE(refuse_path_on(directory_.path(), "socket", here_));
}

TEST_F(DeviceStack, FileElsewhereAbstractNameAndNothingPass) {
  EXPECT_TRUE(refuse_path_on("/proc/self/log", "log", here_));
  EXPECT_TRUE(refuse_path_on("@ddsnap", "socket", here_));
  EXPECT_TRUE(refuse_path_on("", "log", here_));
}

TEST_F(DeviceStack, FileBackedOriginDoesNotCarryItsOwnFileSystem) {
  const StackBottom file{.is_block_device = false, .device = here_.device, .inode = 12345};
  EXPECT_TRUE(refuse_path_on(directory_.file("log"), "log", file));
}

// As /proc tells them, with the origin below a file system that is mounted twice over.
class SwapSources : public ::testing::Test {
 protected:
  SwapSources() {
    write("mounts",
          "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
          "30 22 7:77 / /data rw - ext4 /dev/loop77 rw\n"
          "31 30 8:1 / /data/back rw - ext4 /dev/sda1 rw\n"
          "32 22 7:77 / /with\\040space rw,shared:1 - ext4 /dev/loop77 rw\n");
  }
  void write(const std::string& name, const std::string& text) {
    std::ofstream(directory_.file(name)) << text;
  }
  std::string find(const std::string& swap_line) {
    write("swaps", "Filename\t\tType\t\tSize\n" + swap_line + "\n");
    return find_swap_on({.is_block_device = true, .device = makedev(7, 77)},
                        {.swaps = directory_.file("swaps"), .mounts = directory_.file("mounts")});
  }

  TempDir directory_;
};

TEST_F(SwapSources, SwapFileOnAFileSystemOfTheOriginIsFound) {
  EXPECT_EQ(find("/data/deep/swapfile file 1048572 0 -2"), "/data/deep/swapfile");
  EXPECT_EQ(find("/with\\040space/swap\\040file file 1048572 0 -2"), "/with space/swap file");
}

TEST_F(SwapSources, SwapElsewhereIsNot) {
  EXPECT_EQ(find("/swapfile file 1048572 0 -2"), "");
  EXPECT_EQ(find("/data/back/swapfile file 1048572 0 -2"), "") << "another file system on top";
  EXPECT_EQ(find("/database/swapfile file 1048572 0 -2"), "") << "only begins alike";
  EXPECT_EQ(find("/dev/no-such-device partition 1048572 0 -2"), "");
}

TEST_F(SwapSources, SwapDeviceOnALoopOnTheOriginIsFound) {
  // The origin's file, a loop device over it, and swap on the loop device.
  std::ofstream(directory_.file("origin")) << std::string(1 << 20, 'x');
  const auto loop = LoopDevice::attach(directory_.file("origin"), 512);
  if (!loop) GTEST_SKIP() << loop.error().message();
  write("swaps", "Filename Type Size\n" + (*loop)->path() + " partition 1020 0 -2\n");
  struct stat facts{};
  ASSERT_EQ(::stat(directory_.file("origin").c_str(), &facts), 0);
  EXPECT_EQ(find_swap_on({.is_block_device = false, .device = facts.st_dev, .inode = facts.st_ino},
                         {.swaps = directory_.file("swaps")}),
            (*loop)->path());
}

TEST_F(DeviceStack, SwapIsLookedForWithoutFailingWhereThereIsNone) {
  const StackBottom nothing{.is_block_device = true, .device = 0};
  EXPECT_TRUE(refuse_swap_on(nothing));
}

}  // namespace
}  // namespace ddsnap::test
