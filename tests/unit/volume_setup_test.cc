// Setting a volume up and taking it away, with files for devices and services that only count: each
// step that fails leaves no configuration, no snapstore and nothing running; a removal that fails
// is run again; and each thing that would cost somebody's data is refused, with what was seen.
#include "ddsnap/cli/volume_setup.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "ddsnap/cli/device_content.h"
#include "ddsnap/io/file_device.h"
#include "server/store/snap_store.h"
#include "tests/support/temp_dir.h"

namespace ddsnap {
namespace {

constexpr std::uint64_t kOriginBytes = 4u << 20;
constexpr std::uint64_t kStoreBytes = 16u << 20;

// Fails at its Nth call; remembers what runs.
class CountingServices final : public VolumeServices {
 public:
  Status start(const JobConfig&) override {
    return step([&] { is_running = true; });
  }
  Status stop(const JobConfig&) override {
    return step([&] { is_running = false; });
  }
  Status enable(const JobConfig&) override {
    return step([&] { is_enabled = true; });
  }
  Status disable(const JobConfig&) override {
    return step([&] { is_enabled = false; });
  }
  bool starts_at_boot() const override { return true; }

  int fail_at = -1;
  int calls = 0;
  bool is_running = false;
  bool is_enabled = false;

 private:
  template <class Act>
  Status step(Act act) {
    act();  // a step that fails may have done something
    if (calls++ == fail_at) return fail(ErrorCode::kFailed, "this step fails");
    return {};
  }
};

class VolumeSetup : public ::testing::Test {
 protected:
  VolumeSetup() {
    ::setenv("DDSNAP_RUN_DIR", dir_.file("run").c_str(), 1);
    make("origin", kOriginBytes);
    make("store", kStoreBytes);
    std::ofstream(dir_.file("fstab")) << "# nothing yet\n";
    wish_.name = "vol0";
    wish_.config_folder = dir_.file("etc");
    wish_.local.origin = dir_.file("origin");
    wish_.local.snapstore = dir_.file("store");
    wish_.local.control = dir_.file("run/control");
    wish_.fstab = dir_.file("fstab");
  }

  std::string make(const std::string& name, std::uint64_t bytes) {
    std::ofstream(dir_.file(name)).close();
    std::filesystem::resize_file(dir_.file(name), bytes);
    return dir_.file(name);
  }
  void write(const std::string& name, std::uint64_t offset_bytes, const std::string& text) {
    std::fstream file(dir_.file(name), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(offset_bytes));
    file << text;
  }
  bool has_store() const {
    const auto store = FileDevice::open(wish_.local.snapstore, {});
    const auto origin = FileDevice::open(wish_.local.origin, {});
    return is_store({**store, **origin, nullptr}, {}).value_or(true);
  }
  bool has_config() const { return std::filesystem::exists(dir_.file("etc/vol0.conf")); }
  VolumeRemoval removal() const {
    return {.name = "vol0", .config_folder = wish_.config_folder, .fstab = wish_.fstab};
  }
  void expect_refused(ErrorCode code, const std::string& said) {
    const auto created = create_volume(wish_, services_);
    ASSERT_FALSE(created);
    EXPECT_EQ(created.error().code, code) << created.error().message();
    EXPECT_NE(created.error().message().find(said), std::string::npos) << created.error().message();
    EXPECT_EQ(services_.calls, 0);
  }

  test::TempDir dir_;
  VolumeWish wish_;
  CountingServices services_;
};

TEST_F(VolumeSetup, EachFailedStepIsTakenBack) {
  for (int fail_at = 0;; ++fail_at) {
    services_ = {};
    services_.fail_at = fail_at;
    const auto created = create_volume(wish_, services_);
    if (created) break;
    EXPECT_NE(created.error().message().find("this step fails"), std::string::npos);
    EXPECT_FALSE(services_.is_running) << fail_at;
    EXPECT_FALSE(services_.is_enabled) << fail_at;
    EXPECT_FALSE(has_config()) << fail_at;
    EXPECT_FALSE(has_store()) << fail_at;
    ASSERT_LT(fail_at, 9);
  }
  EXPECT_TRUE(services_.is_running);
  EXPECT_TRUE(services_.is_enabled);
  EXPECT_TRUE(has_store());
  const auto config = load_local_volume(wish_.config_folder, "vol0");
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->local.origin, wish_.local.origin);
  EXPECT_EQ(config->local.snapstore, wish_.local.snapstore);
  EXPECT_EQ(config->server, dir_.file("run/vol0.server"));
}

TEST_F(VolumeSetup, RemovalThatFailsIsRunAgain) {
  ASSERT_TRUE(create_volume(wish_, services_));
  for (int fail_at = 0;; ++fail_at) {
    services_.calls = 0;
    services_.fail_at = fail_at;
    if (remove_volume(removal(), services_)) break;
    EXPECT_TRUE(has_config()) << fail_at;
    ASSERT_LT(fail_at, 9);
  }
  EXPECT_FALSE(services_.is_running);
  EXPECT_FALSE(services_.is_enabled);
  EXPECT_FALSE(has_config());
  EXPECT_FALSE(has_store());
  // And it can be made anew, unforced.
  services_ = {};
  EXPECT_TRUE(create_volume(wish_, services_));
}

TEST_F(VolumeSetup, OriginKeepsItsContent) {
  write("origin", 12345, "what was there before");
  const auto content = [&] {
    std::ifstream file(wish_.local.origin, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  const std::string before = content();
  ASSERT_TRUE(create_volume(wish_, services_));
  ASSERT_TRUE(remove_volume(removal(), services_));
  EXPECT_EQ(content(), before);
}

TEST_F(VolumeSetup, DryRunWritesNothing) {
  wish_.is_dry_run = true;
  ASSERT_TRUE(create_volume(wish_, services_));
  EXPECT_EQ(services_.calls, 0);
  EXPECT_FALSE(has_config());
  EXPECT_FALSE(has_store());
}

TEST_F(VolumeSetup, ContentOfTheSnapstoreIsRefusedUnlessForced) {
  // LUKS 1: a magic number and a version.
  write("store", 0, std::string("LUKS\xba\xbe\x00\x01", 8));
  expect_refused(ErrorCode::kExists, "an encrypted volume (LUKS)");
  EXPECT_FALSE(has_store());
  wish_.is_forced = true;
  EXPECT_TRUE(create_volume(wish_, services_));
  EXPECT_TRUE(has_store());
}

TEST_F(VolumeSetup, PartitionTableOfTheSnapstoreIsRefused) {
  const std::string entry("\x00\x01\x01\x00\x83\x01\x01\x01\x00\x08\x00\x00\x00\x08\x00\x00", 16);
  write("store", 446, entry);
  write("store", 510, "\x55\xaa");
  expect_refused(ErrorCode::kExists, "dos partition table");
}

TEST_F(VolumeSetup, ALiveSnapstoreIsRefusedUnlessForced) {
  ASSERT_TRUE(create_volume(wish_, services_));
  std::filesystem::remove(dir_.file("etc/vol0.conf"));
  services_ = {};
  expect_refused(ErrorCode::kExists, "holds a snapstore");
  EXPECT_TRUE(has_store());
  wish_.is_forced = true;
  EXPECT_TRUE(create_volume(wish_, services_));
}

TEST_F(VolumeSetup, WhatBelongsToAnotherVolumeIsRefused) {
  ASSERT_TRUE(create_volume(wish_, services_));
  services_ = {};
  expect_refused(ErrorCode::kExists, "vol0.conf is there already");
  wish_.name = "vol1";
  wish_.is_forced = true;
  expect_refused(ErrorCode::kExists, "belongs to volume vol0");
  wish_.local.origin = make("other", kOriginBytes);
  expect_refused(ErrorCode::kExists, "belongs to volume vol0");
  wish_.local.snapstore = wish_.local.origin;
  expect_refused(ErrorCode::kUsage, "are the same");
}

TEST_F(VolumeSetup, AnOriginThatFstabMountsIsRefused) {
  std::ofstream(wish_.fstab) << "# a comment\n" << wish_.local.origin << " /srv/data ext4\n";
  expect_refused(ErrorCode::kUsage, "line 2 of");
  std::ofstream(wish_.fstab) << "/dev/mapper/vol0 /srv/data ext4 defaults 0 2\n";
  ASSERT_TRUE(create_volume(wish_, services_));
  const Status removed = remove_volume(removal(), services_);
  ASSERT_FALSE(removed);
  EXPECT_NE(removed.error().message().find("line 1 of"), std::string::npos);
  EXPECT_TRUE(services_.is_running);
}

TEST_F(VolumeSetup, OriginOfOthersIsRefused) {
  // LVM's label: its sector, and the type.
  write("origin", 512, std::string("LABELONE\x01\x00\x00\x00\x00\x00\x00\x00", 16));
  write("origin", 512 + 16, std::string("\x00\x00\x00\x00\x20\x00\x00\x00LVM2 001", 16));
  const auto content = content_of_device(wish_.local.origin);
  ASSERT_TRUE(content);
  if (content->kind != "LVM2_member") GTEST_SKIP() << "libblkid takes it for " << content->kind;
  expect_refused(ErrorCode::kUsage, "a physical volume of LVM");
}

TEST_F(VolumeSetup, TooSmallASnapstoreLeavesNothing) {
  wish_.local.snapstore = make("small", 64u << 10);
  const auto created = create_volume(wish_, services_);
  ASSERT_FALSE(created);
  EXPECT_FALSE(has_config());
  EXPECT_EQ(services_.calls, 0);
}

TEST_F(VolumeSetup, NamesAreThoseOfFilesUnitsAndDevices) {
  for (const char* good : {"vol0", "my_vol", "a.b_c", "9", "my-vol", "a-"})
    EXPECT_TRUE(check_volume_name(good));
  for (const char* bad : {"", "-a", ".a", "a/b", "a b", "a\\b", "control", "a\nb", "@a"})
    EXPECT_FALSE(check_volume_name(bad)) << bad;
  EXPECT_FALSE(check_volume_name(std::string(64, 'x')));
}

TEST_F(VolumeSetup, MissingDevicesAreTold) {
  wish_.local.snapstore = dir_.file("none");
  expect_refused(ErrorCode::kNotFound, "none");
  EXPECT_EQ(check_removal(removal()).error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace ddsnap
