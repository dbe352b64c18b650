// Shows what only NBD has, against a captive nbdkit: long requests are cut, limits of the server
// are kept, zero extents are told, a snapshot's uuid is read from the export's description, a
// server that dies is kDisconnected for all that is in flight and after, and injected server errors
// arrive with their errno.

#include "ddsnap/io/nbd_device.h"

#include <gtest/gtest.h>

#include "ddsnap/base/limits.h"
#include "ddsnap/base/random.h"
#include "ddsnap/io/export_description.h"
#include "tests/support/captive_nbdkit.h"

namespace ddsnap::test {
namespace {

constexpr std::uint64_t kSeed = 11;

class NbdDeviceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!CaptiveNbdkit::is_installed()) GTEST_SKIP() << "nbdkit is not installed";
  }
  Result<std::unique_ptr<NbdDevice>> serve(const std::vector<std::string>& arguments,
                                           DeviceAccess access = DeviceAccess::kReadWrite) {
    nbdkit_ = DD_TRY(CaptiveNbdkit::start(arguments));
    return NbdDevice::open(nbdkit_->uri(), access);
  }

  std::unique_ptr<CaptiveNbdkit> nbdkit_;
};

TEST_F(NbdDeviceTest, LongRequestIsCut) {
  const auto device = serve({"memory", "80M"});
  ASSERT_TRUE(device) << device.error().message();
  std::vector<std::byte> data(2 * kMaxNbdTransferBytes + 4096), back(data.size());
  SeededRandom(kSeed).fill(data);
  ASSERT_TRUE((*device)->write_at(8192, data));
  ASSERT_TRUE((*device)->read_at(8192, back));
  EXPECT_TRUE(back == data);
  ASSERT_TRUE((*device)->write_zeroes({8192, data.size()}));
  ASSERT_TRUE((*device)->read_at(8192, back));
  EXPECT_TRUE(back == std::vector<std::byte>(back.size()));
  ASSERT_TRUE((*device)->discard({0, 80 << 20}));
}

TEST_F(NbdDeviceTest, ServersLimitsAreKept) {
  const auto device = serve({"--filter=blocksize-policy", "memory", "4M", "blocksize-minimum=4096",
                             "blocksize-maximum=65536", "blocksize-error-policy=error"});
  ASSERT_TRUE(device) << device.error().message();
  EXPECT_EQ((*device)->geometry().block_bytes, 4096u);
  std::vector<std::byte> data(1 << 20), back(data.size());
  SeededRandom(kSeed).fill(data);
  ASSERT_TRUE((*device)->write_at(0, data));
  ASSERT_TRUE((*device)->read_at(0, back));
  EXPECT_TRUE(back == data);
}

TEST_F(NbdDeviceTest, ZeroExtentsAreTold) {
  const auto device = serve({"memory", "4M"});
  ASSERT_TRUE(device) << device.error().message();
  const std::vector<std::byte> data(64 << 10, std::byte{1});
  ASSERT_TRUE((*device)->write_at(1 << 20, data));
  const auto extents = (*device)->extents({0, 4 << 20});
  ASSERT_TRUE(extents);
  ASSERT_EQ(extents->size(), 3u);
  EXPECT_EQ((*extents)[0].kind, Extent::Kind::kZero);
  EXPECT_EQ((*extents)[1].range, (ByteRange{1 << 20, 64 << 10}));
  EXPECT_EQ((*extents)[1].kind, Extent::Kind::kData);
}

// A server without zero, trim and extents: the defaults do it.
TEST_F(NbdDeviceTest, PoorServer) {
  const auto device =
      serve({"--filter=noextents", "--filter=nozero", "memory", "4M", "zeromode=none"});
  ASSERT_TRUE(device) << device.error().message();
  std::vector<std::byte> data(1 << 20, std::byte{1});
  ASSERT_TRUE((*device)->write_at(0, data));
  ASSERT_TRUE((*device)->write_zeroes({0, data.size()}));
  ASSERT_TRUE((*device)->read_at(0, data));
  EXPECT_TRUE(data == std::vector<std::byte>(data.size()));
  const auto extents = (*device)->extents({0, 1 << 20});
  ASSERT_EQ(extents->size(), 1u);
  EXPECT_EQ(extents->front().kind, Extent::Kind::kData);
}

TEST_F(NbdDeviceTest, DescriptionProvesTheSnapshot) {
  SeededRandom random(kSeed);
  const Uuid uuid = Uuid::make(random);
  const auto device = serve({"--filter=exportname", "memory", "1M",
                             "exportdesc=fixed:" + describe_snapshot_export(uuid, "nightly-7")},
                            DeviceAccess::kReadOnly);
  ASSERT_TRUE(device) << device.error().message();
  EXPECT_EQ((*device)->proven_snapshot_uuid(), uuid.to_string());
}

TEST(ExportDescription, OnlyTheExactFormProves) {
  SeededRandom random(kSeed);
  const std::string uuid = Uuid::make(random).to_string();
  EXPECT_EQ(uuid_of_export_description("ddsnap snapshot uuid=" + uuid), uuid);
  EXPECT_EQ(uuid_of_export_description(describe_origin_export(*Uuid::parse(uuid))),
            Uuid{}.to_string());
  EXPECT_EQ(uuid_of_export_description("ddsnap snapshot uuid=" + uuid + " tag=0 more=1"), uuid);
  for (const std::string& text : std::initializer_list<std::string>{
           "", "ddsnap snapshot uuid=", "ddsnap snapshot uuid=" + uuid.substr(1),
           "ddsnap snapshot uuid=" + uuid + "0", "a ddsnap snapshot uuid=" + uuid,
           "ddsnap origin uuid=" + uuid, "ddsnap snapshot uuid= tag=0",
           "ddsnap snapshot uuid=00000000-0000-0000-0000-000000000000 tag=0"})
    EXPECT_EQ(uuid_of_export_description(text), "") << text;
}

TEST_F(NbdDeviceTest, DeadServerIsDisconnected) {
  const auto device = serve({"--filter=delay", "memory", "4M", "rdelay=600"});
  ASSERT_TRUE(device) << device.error().message();
  const std::vector<std::byte> data(4096, std::byte{1});
  ASSERT_TRUE((*device)->write_at(0, data));
  nbdkit_->kill();
  std::vector<std::byte> memory(300 * 4096);
  std::vector<IoRequest> batch;
  for (std::size_t at = 0; at < memory.size(); at += 4096)
    batch.push_back(IoRequest::read(at, std::span(memory).subspan(at, 4096)));
  const Status status = (*device)->run(batch);
  ASSERT_FALSE(status);
  for (const IoRequest& request : batch) {
    ASSERT_FALSE(request.status);
    EXPECT_EQ(request.status.error().code, ErrorCode::kDisconnected)
        << request.status.error().message();
  }
  EXPECT_EQ((*device)->flush().error().code, ErrorCode::kDisconnected);
  EXPECT_FALSE((*device)->extents({0, 4096}));
}

TEST_F(NbdDeviceTest, ServersErrorsKeepTheirErrno) {
  const auto device = serve({"--filter=error", "memory", "4M", "error-pwrite=ENOSPC",
                             "error-pwrite-rate=100%", "error-pread=EIO", "error-pread-rate=100%"});
  ASSERT_TRUE(device) << device.error().message();
  std::vector<std::byte> data(4096, std::byte{1});
  EXPECT_EQ((*device)->write_at(0, data).error().code, ErrorCode::kNoSpace);
  const Status read = (*device)->read_at(0, data);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::kIo);
  EXPECT_EQ(read.error().sys_errno, EIO);
  ASSERT_TRUE((*device)->flush());
}

TEST_F(NbdDeviceTest, ReadOnlyExport) {
  const auto refused = serve({"--readonly", "memory", "1M"});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUsage);
  const auto device = serve({"--readonly", "memory", "1M"}, DeviceAccess::kReadOnly);
  ASSERT_TRUE(device) << device.error().message();
  EXPECT_EQ((*device)->size_bytes(), 1u << 20);
}

}  // namespace
}  // namespace ddsnap::test
