// Shows when a lost kernel target counts as gone (T4): its device is, or the module no longer names
// it, or it is of another boot; and that nothing is proven where sysfs cannot be seen, or by a
// module that names nobody. How: a directory in the place of sysfs.

#include "server/system_probe.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "tests/support/temp_dir.h"

namespace ddsnap::test {
namespace {

class SystemProbeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    UniqueFd fd(::open(path_.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    ASSERT_TRUE(fd);
    ASSERT_EQ(::ftruncate(fd.get(), 4096), 0);
    device_ = std::move(*FileDevice::open(path_, {.engine = IoEngineKind::kSync}));
  }
  void make(const std::string& path) const {
    std::filesystem::create_directories(sysfs_ + "/" + path);
  }
  bool is_gone(const Uuid& boot_id = {}) const {
    SystemProbe probe(*device_, *device_, boot_id, sysfs_);
    return probe.is_gone(target_);
  }

  TempDir directory_;
  const std::string path_ = directory_.file("disk");
  const std::string sysfs_ = directory_.file("sys");
  std::unique_ptr<FileDevice> device_;
  const Uuid uuid_ = *Uuid::parse("00112233-4455-6677-8899-aabbccddeeff");
  const Attachment target_{.id = 1,
                           .is_kernel = true,
                           .target_uuid = uuid_,
                           .boot_id = *Uuid::parse("10000000-0000-0000-0000-000000000000"),
                           .dm_device_or_pid = std::uint64_t{253} << 32 | 7,
                           .label = "vol"};
};

TEST_F(SystemProbeTest, NothingIsProvenWithoutSysfs) {
  EXPECT_FALSE(is_gone());
}

TEST_F(SystemProbeTest, AKernelTargetIsGoneWithItsDevice) {
  make("dev/block/253:8");
  EXPECT_TRUE(is_gone());
  make("dev/block/253:7");
  EXPECT_FALSE(is_gone()) << "a module that names nobody proves nothing";
}

TEST_F(SystemProbeTest, AKernelTargetIsGoneWhenTheModuleNoLongerNamesIt) {
  make("dev/block/253:7");
  make("kernel/ddsnap/" + uuid_.to_string());
  EXPECT_FALSE(is_gone());
  std::filesystem::remove(sysfs_ + "/kernel/ddsnap/" + uuid_.to_string());
  EXPECT_TRUE(is_gone()) << "the device's number is another's by now";
}

TEST_F(SystemProbeTest, AnotherBootHasNoneOfItsTargets) {
  make("dev/block/253:7");
  make("kernel/ddsnap/" + uuid_.to_string());
  EXPECT_FALSE(is_gone(target_.boot_id));
  EXPECT_TRUE(is_gone(*Uuid::parse("20000000-0000-0000-0000-000000000000")));
}

}  // namespace
}  // namespace ddsnap::test
