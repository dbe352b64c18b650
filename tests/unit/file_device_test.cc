// Shows what only files and block devices have: which paths are refused and how, holes, zeroes that
// keep the space they had, content that survives closing, a size that changes, and that open_device
// tells names apart.

#include "ddsnap/io/file_device.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "ddsnap/io/open_device.h"
#include "tests/support/loop_device.h"
#include "tests/support/temp_dir.h"

namespace ddsnap::test {
namespace {

constexpr std::uint64_t kSizeBytes = 1 << 20;
constexpr FileOptions kReadWrite{.access = DeviceAccess::kReadWrite, .engine = IoEngineKind::kSync};

class FileDeviceTest : public ::testing::Test {
 protected:
  FileDeviceTest() {
    std::ofstream(path_).close();
    std::filesystem::resize_file(path_, kSizeBytes);
  }

  TempDir directory_;
  const std::string path_ = directory_.file("disk");
  const std::vector<std::byte> data_ = std::vector<std::byte>(64 << 10, std::byte{7});
};

TEST_F(FileDeviceTest, RefusesWhatIsNoDevice) {
  EXPECT_EQ(FileDevice::open(directory_.file("none"), {}).error().code, ErrorCode::kNotFound);
  const auto directory = FileDevice::open(directory_.path().string(), {});
  ASSERT_FALSE(directory);
  EXPECT_EQ(directory.error().code, ErrorCode::kUsage);
  EXPECT_NE(directory.error().text.find(directory_.path().string()), std::string::npos);
  EXPECT_EQ(FileDevice::open("/dev/null", {}).error().code, ErrorCode::kUsage);
  const std::string fifo = directory_.file("fifo");
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_EQ(FileDevice::open(fifo, {}).error().code, ErrorCode::kUsage);  // and does not wait
}

TEST_F(FileDeviceTest, DescriptorIsCloseOnExec) {
  const auto device = FileDevice::open(path_, {});
  ASSERT_TRUE(device);
  EXPECT_NE(::fcntl((*device)->fd(), F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_FALSE((*device)->is_direct()) << "kAuto is buffered for regular files";
  EXPECT_FALSE((*device)->is_block_device());
}

TEST_F(FileDeviceTest, ContentSurvivesClosing) {
  {
    const auto device = FileDevice::open(path_, kReadWrite);
    ASSERT_TRUE((*device)->write_at(4096, data_));
    ASSERT_TRUE((*device)->flush());
  }
  const auto device = FileDevice::open(path_, {});
  std::vector<std::byte> back(data_.size());
  ASSERT_TRUE((*device)->read_at(4096, back));
  EXPECT_EQ(back, data_);
}

TEST_F(FileDeviceTest, HolesAreToldAsZero) {
  const auto device = FileDevice::open(path_, kReadWrite);
  ASSERT_TRUE((*device)->write_at(256 << 10, data_));
  const auto extents = (*device)->extents({0, kSizeBytes});
  ASSERT_TRUE(extents);
  ASSERT_EQ(extents->size(), 3u);
  EXPECT_EQ((*extents)[0].kind, Extent::Kind::kZero);
  EXPECT_EQ((*extents)[1].kind, Extent::Kind::kData);
  EXPECT_EQ((*extents)[1].range, (ByteRange{256 << 10, data_.size()}));
  EXPECT_EQ((*extents)[2].kind, Extent::Kind::kZero);
}

// S9: a file-backed snapstore is preallocated, and zeroing a part of it must not give that back.
TEST_F(FileDeviceTest, ZeroesKeepTheSpace) {
  const auto device = FileDevice::open(path_, kReadWrite);
  if (::fallocate((*device)->fd(), 0, 0, kSizeBytes) != 0)
    GTEST_SKIP() << "no fallocate here: " << std::strerror(errno);
  struct stat before{}, after{};
  ASSERT_EQ(::stat(path_.c_str(), &before), 0);
  ASSERT_TRUE((*device)->write_zeroes({0, kSizeBytes}));
  ASSERT_EQ(::stat(path_.c_str(), &after), 0);
  EXPECT_GE(after.st_blocks * 512, static_cast<blkcnt_t>(kSizeBytes)) << before.st_blocks;
}

// As the target of a delta: a hole stays one, and what is zeroed becomes one.
TEST_F(FileDeviceTest, SparseFileStaysSparseWhereAskedFor) {
  FileOptions options = kReadWrite;
  options.keeps_sparse = true;
  {
    const auto writer = FileDevice::open(path_, kReadWrite);
    ASSERT_TRUE((*writer)->write_at(256 << 10, data_));
  }
  const auto device = FileDevice::open(path_, options);
  ASSERT_TRUE((*device)->write_zeroes({0, kSizeBytes}));
  struct stat after{};
  ASSERT_EQ(::stat(path_.c_str(), &after), 0);
  EXPECT_LT(after.st_blocks * 512, static_cast<blkcnt_t>(kSizeBytes));
}

TEST_F(FileDeviceTest, DiscardGivesSpaceBack) {
  const auto device = FileDevice::open(path_, kReadWrite);
  ASSERT_TRUE((*device)->write_at(0, data_));
  ASSERT_TRUE((*device)->flush());
  ASSERT_TRUE((*device)->discard({0, data_.size()}));
  const auto extents = (*device)->extents({0, data_.size()});
  ASSERT_EQ(extents->size(), 1u);
  if (extents->front().kind != Extent::Kind::kZero)
    GTEST_SKIP() << "this file system punches no holes";
  EXPECT_EQ(std::filesystem::file_size(path_), kSizeBytes);
}

TEST_F(FileDeviceTest, SizeChangesAreSeenWhenAskedFor) {
  const auto opened = FileDevice::open(path_, kReadWrite);
  FileDevice& device = **opened;
  std::filesystem::resize_file(path_, 2 * kSizeBytes);
  EXPECT_EQ(device.size_bytes(), kSizeBytes);
  ASSERT_TRUE(device.refresh_size());
  EXPECT_EQ(device.size_bytes(), 2 * kSizeBytes);
  ASSERT_TRUE(device.write_at(kSizeBytes, data_));
  std::filesystem::resize_file(path_, kSizeBytes);
  std::vector<std::byte> back(data_.size());
  const Status shorter = device.read_at(kSizeBytes, back);
  ASSERT_FALSE(shorter);
  EXPECT_EQ(shorter.error().code, ErrorCode::kIo);
}

TEST_F(FileDeviceTest, DirectFileGrowsAPartialBlock) {
  FileOptions options = kReadWrite;
  options.caching = FileOptions::Caching::kDirect;
  const auto opened = FileDevice::open(path_, options);
  if (!opened) GTEST_SKIP() << opened.error().message();
  FileDevice& device = **opened;
  EXPECT_TRUE(device.is_direct());
  std::filesystem::resize_file(path_, kSizeBytes + 100);
  ASSERT_TRUE(device.refresh_size());
  const auto tail = std::span(data_).first(100);
  ASSERT_TRUE(device.write_at(kSizeBytes, tail));
  std::vector<std::byte> back(100);
  ASSERT_TRUE(device.read_at(kSizeBytes, back));
  EXPECT_TRUE(std::ranges::equal(tail, back));
  EXPECT_EQ(std::filesystem::file_size(path_), kSizeBytes + 100);
}

// What the page cache has is read there; what it has not, and what we wrote, is on the disk.
TEST_F(FileDeviceTest, DirectReadsTakeWhatIsCached) {
  FileOptions options = kReadWrite;
  options.caching = FileOptions::Caching::kDirect;
  options.reads_cached = true;
  const auto opened = FileDevice::open(path_, options);
  if (!opened) GTEST_SKIP() << opened.error().message();
  FileDevice& device = **opened;
  constexpr std::size_t kHalf = kSizeBytes / 2;
  std::vector<std::byte> bytes(kSizeBytes);
  const auto expect = [&](char first, char second) {
    IoRequest halves[] = {IoRequest::read(0, std::span(bytes).first(kHalf)),
                          IoRequest::read(kHalf, std::span(bytes).last(kHalf))};
    ASSERT_TRUE(device.run(halves));
    for (std::size_t i = 0; i < bytes.size(); ++i)
      ASSERT_EQ(static_cast<char>(bytes[i]), i < kHalf ? first : second) << i;
  };
  std::fstream(path_, std::ios::in | std::ios::out) << std::string(kSizeBytes, 'a');  // dirty pages
  expect('a', 'a');
  ASSERT_TRUE(device.write_at(kHalf, std::vector<std::byte>(kHalf, std::byte{'b'})));
  expect('a', 'b');
  std::fstream(path_, std::ios::in | std::ios::out) << std::string(kHalf, 'c');
  expect('c', 'b');
  ASSERT_TRUE(device.flush());
  EXPECT_FALSE(device.read_at(kSizeBytes, bytes));
}

TEST_F(FileDeviceTest, BlockDeviceIsDirectByDefault) {
  const auto loop = LoopDevice::attach(path_, 4096);
  if (!loop) GTEST_SKIP() << loop.error().message();
  const auto device = FileDevice::open((*loop)->path(), kReadWrite);
  ASSERT_TRUE(device) << device.error().message();
  EXPECT_TRUE((*device)->is_direct());
  EXPECT_TRUE((*device)->is_block_device());
  EXPECT_EQ((*device)->geometry().block_bytes, 4096u);
  EXPECT_EQ((*device)->size_bytes(), kSizeBytes);
}

TEST_F(FileDeviceTest, OpenDeviceTellsNamesApart) {
  const auto file = open_device(path_, DeviceAccess::kReadOnly);
  ASSERT_TRUE(file) << file.error().message();
  EXPECT_EQ((*file)->name(), path_);
  for (const char* const name : {"", "ddsnap:/run/server.sock", "ddsnap:/run/server.sock#1"}) {
    const auto refused = open_device(name, DeviceAccess::kReadOnly);
    ASSERT_FALSE(refused) << name;
    EXPECT_EQ(refused.error().code, ErrorCode::kUsage);
  }
  const auto nobody =
      open_device("nbd+unix:///?socket=" + directory_.file("no-socket"), DeviceAccess::kReadOnly);
  ASSERT_FALSE(nobody);
  EXPECT_EQ(nobody.error().code, ErrorCode::kDisconnected);
}

}  // namespace
}  // namespace ddsnap::test
