// Which files lie on the origin (T9): judged here by pretending that the origin is the device below
// the test's own directory. Stacks of dm and loop devices need root and are met in the e2e tests.
#include "server/device_stack.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

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

TEST_F(DeviceStack, SwapIsLookedForWithoutFailingWhereThereIsNone) {
  const StackBottom nothing{.is_block_device = true, .device = 0};
  EXPECT_TRUE(refuse_swap_on(nothing));
}

}  // namespace
}  // namespace ddsnap::test
