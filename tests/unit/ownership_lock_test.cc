// Shows S8's lock: two descriptions of one file exclude each other even within a process, bytes are
// independent, a lock ends with its open file description and not with a process or a descriptor,
// and asking disturbs nobody.

#include "ddsnap/io/ownership_lock.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <future>

#include "ddsnap/io/file_device.h"
#include "tests/support/temp_dir.h"

namespace ddsnap::test {
namespace {

class OwnershipLockTest : public ::testing::Test {
 protected:
  std::unique_ptr<FileDevice> open(DeviceAccess access = DeviceAccess::kReadWrite) const {
    return std::move(*FileDevice::open(path_, {.access = access, .engine = IoEngineKind::kSync}));
  }
  Result<OwnershipLock> take(const FileDevice& device, LockBytes bytes,
                             LockMode mode = LockMode::kExclusive) const {
    return OwnershipLock::take(device.fd(), bytes, mode, path_);
  }
  bool is_held(const FileDevice& device, LockBytes bytes,
               LockMode mode = LockMode::kExclusive) const {
    return OwnershipLock::is_held_elsewhere(device.fd(), bytes, mode, path_).value();
  }
  void SetUp() override {
    UniqueFd fd(::open(path_.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    ASSERT_TRUE(fd);
    ASSERT_EQ(::ftruncate(fd.get(), 4096), 0);
  }

  TempDir directory_;
  const std::string path_ = directory_.file("disk");
};

TEST_F(OwnershipLockTest, TwoDescriptionsExcludeEachOther) {
  const auto first = open(), second = open();
  auto lock = take(*first, LockBytes::server());
  ASSERT_TRUE(lock) << lock.error().message();
  const auto refused = take(*second, LockBytes::server());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kBusy);
  EXPECT_NE(refused.error().text.find(path_), std::string::npos);
  EXPECT_TRUE(is_held(*second, LockBytes::server()));
  EXPECT_FALSE(is_held(*first, LockBytes::server())) << "one's own lock is not in the way";
  lock->release();
  EXPECT_FALSE(is_held(*second, LockBytes::server()));
  EXPECT_TRUE(take(*second, LockBytes::server()));
}

TEST_F(OwnershipLockTest, BytesAreIndependentAndAllMeansAll) {
  const auto first = open(), second = open();
  const auto server = take(*first, LockBytes::server());
  EXPECT_TRUE(take(*second, LockBytes::attachment(1)));
  EXPECT_TRUE(take(*second, LockBytes::attachment(~0u)));
  EXPECT_FALSE(take(*second, LockBytes::all()));
  const auto everything = take(*first, LockBytes::all());
  ASSERT_TRUE(everything);
  EXPECT_FALSE(take(*second, LockBytes::attachment(1)));
  EXPECT_FALSE(take(*second, LockBytes::attachment(~0u)));
}

TEST_F(OwnershipLockTest, SharedLocksStandTogether) {
  const auto first = open(), second = open(DeviceAccess::kReadOnly), third = open();
  const auto a = take(*first, LockBytes::server(), LockMode::kShared);
  const auto b = take(*second, LockBytes::server(), LockMode::kShared);
  EXPECT_TRUE(a);
  EXPECT_TRUE(b);
  EXPECT_FALSE(take(*third, LockBytes::server()));
  EXPECT_FALSE(is_held(*third, LockBytes::server(), LockMode::kShared));
}

TEST_F(OwnershipLockTest, MovedLockIsReleasedOnce) {
  const auto first = open(), second = open();
  OwnershipLock kept;
  EXPECT_FALSE(kept);
  {
    auto lock = take(*first, LockBytes::server());
    ASSERT_TRUE(lock);
    kept = std::move(*lock);
  }
  EXPECT_TRUE(kept);
  EXPECT_TRUE(is_held(*second, LockBytes::server()));
  kept = OwnershipLock();
  EXPECT_FALSE(is_held(*second, LockBytes::server()));
}

TEST_F(OwnershipLockTest, AskingLocksNothing) {
  const auto first = open(), second = open();
  EXPECT_FALSE(is_held(*first, LockBytes::server()));
  EXPECT_TRUE(take(*second, LockBytes::server()));
}

// Takes the lock on its own description in another process, says so, and lives until it is killed.
class LockingProcess {
 public:
  LockingProcess(const std::string& path, LockBytes bytes) {
    int ready[2];
    EXPECT_EQ(::pipe2(ready, O_CLOEXEC), 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      const auto device = FileDevice::open(
          path, {.access = DeviceAccess::kReadWrite, .engine = IoEngineKind::kSync});
      if (!device) ::_exit(1);
      const auto lock = OwnershipLock::take((*device)->fd(), bytes, LockMode::kExclusive, path);
      if (!lock || ::write(ready[1], "x", 1) != 1) ::_exit(1);
      while (true) ::pause();
    }
    ::close(ready[1]);
    char byte = 0;
    EXPECT_EQ(::read(ready[0], &byte, 1), 1) << "the other process got no lock";
    ::close(ready[0]);
  }
  ~LockingProcess() { kill(); }

  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

 private:
  pid_t pid_ = -1;
};

TEST_F(OwnershipLockTest, AnotherProcessHoldsItUntilItIsKilled) {
  LockingProcess other(path_, LockBytes::attachment(7));
  const auto device = open();
  EXPECT_TRUE(is_held(*device, LockBytes::attachment(7)));
  EXPECT_FALSE(take(*device, LockBytes::attachment(7)));
  EXPECT_TRUE(take(*device, LockBytes::attachment(8)));
  other.kill();
  EXPECT_TRUE(take(*device, LockBytes::attachment(7)));
}

// The lock belongs to the description: a process takes it and is killed, and as long as anything
// holds that description (here this process, in place of a queued write) nobody else gets it.
TEST_F(OwnershipLockTest, OutlivesItsProcessAsLongAsTheDescription) {
  auto carries_writes = open();
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto lock = take(*carries_writes, LockBytes::server());
    if (!lock) ::_exit(1);
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  const auto other = open();
  EXPECT_FALSE(take(*other, LockBytes::server()));
  carries_writes.reset();
  EXPECT_TRUE(take(*other, LockBytes::server()));
}

TEST_F(OwnershipLockTest, PatienceOutlastsTheLastWritesOfAnother) {
  const auto device = open(), other = open();
  auto held = take(*other, LockBytes::all());
  ASSERT_TRUE(held);
  auto patient = std::async(std::launch::async, [&] {
    return OwnershipLock::take_patiently(device->fd(), LockBytes::server(), LockMode::kExclusive,
                                         path_);
  });
  EXPECT_EQ(patient.wait_for(std::chrono::milliseconds(50)), std::future_status::timeout);
  held->release();
  const auto lock = patient.get();
  EXPECT_TRUE(lock) << lock.error().message();
}

TEST_F(OwnershipLockTest, FollowsTheInodeThroughASymbolicLink) {
  const std::string link = directory_.file("link");
  std::filesystem::create_symlink(path_, link);
  const auto first = open();
  const auto second = FileDevice::open(link, {.engine = IoEngineKind::kSync});
  ASSERT_TRUE(second);
  const auto lock = take(*first, LockBytes::server());
  EXPECT_TRUE(is_held(**second, LockBytes::server()));
}

TEST_F(OwnershipLockTest, BadDescriptorIsAnError) {
  const auto lock = OwnershipLock::take(-1, LockBytes::server(), LockMode::kExclusive, "nothing");
  ASSERT_FALSE(lock);
  EXPECT_EQ(lock.error().sys_errno, EBADF);
  // An exclusive lock wants a descriptor open for writing.
  EXPECT_FALSE(take(*open(DeviceAccess::kReadOnly), LockBytes::server()));
}

}  // namespace
}  // namespace ddsnap::test
