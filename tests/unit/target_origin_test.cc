// The origin target against a server that the test plays by hand (FakeServer): what is asked and
// when, the ownership lock, a lost server, and the ends of a target. The gate's races are in
// target_write_gate_test.
#include "ddsnap/target/origin_target.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <future>

#include "ddsnap/base/limits.h"
#include "ddsnap/io/ownership_lock.h"
#include "tests/support/fake_server.h"

namespace ddsnap {
namespace {

using test::FakeServer;

class OriginTargetTest : public ::testing::Test {
 protected:
  TargetOptions options() const {
    TargetOptions options;
    options.link.place.server_address = server_.address();
    options.link.label = "test";
    return options;
  }
  auto opening() {
    return std::async(std::launch::async, [this] { return OriginTarget::open(options()); });
  }
  void open() {
    auto opened = opening();
    server_.accept_and_welcome(server_.hello_ok(7));
    target_ = std::move(*opened.get());
  }
  std::future<Status> write(std::uint64_t offset_bytes, std::vector<std::byte> bytes) {
    return std::async(std::launch::async, [this, offset_bytes, bytes] {
      return target_->write(offset_bytes, bytes, Durability::kLater);
    });
  }
  void grant(Epoch epoch = {1}) {
    const auto question = server_.expect<PrepareWriteMessage>();
    server_.send(GrantMessage{epoch, 0, true, question.ranges}, server_.request_id());
  }
  void close() {
    auto closed = std::async(std::launch::async, [this] { target_.reset(); });
    server_.expect_detach();
    closed.get();
  }
  bool is_owned(std::uint32_t attachment_id) const {
    const UniqueFd fd(::open(server_.origin().c_str(), O_RDWR | O_CLOEXEC));
    return *OwnershipLock::is_held_elsewhere(fd.get(), LockBytes::attachment(attachment_id),
                                             LockMode::kExclusive, "origin");
  }
  std::vector<std::byte> origin_chunk(std::uint64_t chunk) const {
    return FakeServer::read_file(server_.origin(), chunk * FakeServer::kChunkBytes,
                                 FakeServer::kChunkBytes);
  }

  static constexpr std::uint64_t kChunkBytes = FakeServer::kChunkBytes;
  FakeServer server_;
  std::unique_ptr<OriginTarget> target_;
};

TEST_F(OriginTargetTest, OwnsItsAttachmentUntilItIsGone) {
  open();
  EXPECT_TRUE(is_owned(7));
  close();
  EXPECT_FALSE(is_owned(7));
}

TEST_F(OriginTargetTest, AsksBeforeTheFirstWriteAndNeverForReads) {
  open();
  std::vector<std::byte> bytes(kChunkBytes);
  ASSERT_TRUE(target_->read(0, bytes));
  EXPECT_EQ(bytes, FakeServer::pattern('o'));
  auto written = write(kChunkBytes, FakeServer::pattern('n'));
  const auto question = server_.expect<PrepareWriteMessage>();
  EXPECT_EQ(question.ranges, (std::vector<ChunkRange>{{ChunkNr{1}, 1}}));
  EXPECT_EQ(origin_chunk(1), FakeServer::pattern('o'));  // not before the grant
  server_.send(GrantMessage{Epoch{1}, 0, true, question.ranges}, server_.request_id());
  ASSERT_TRUE(written.get());
  EXPECT_EQ(origin_chunk(1), FakeServer::pattern('n'));
  ASSERT_TRUE(target_->write(kChunkBytes, FakeServer::pattern('m'), Durability::kFua));
  EXPECT_TRUE(server_.is_quiet());
  close();
}

TEST_F(OriginTargetTest, SplitsLongWrites) {
  open();
  auto written = write(0, FakeServer::pattern('n', 130 * kChunkBytes));
  for (const std::uint32_t count : {64u, 64u, 2u}) {
    const auto question = server_.expect<PrepareWriteMessage>();
    ASSERT_EQ(question.ranges.size(), 1u);
    EXPECT_EQ(question.ranges[0].count, count);
    server_.send(GrantMessage{Epoch{1}, 0, true, question.ranges}, server_.request_id());
  }
  EXPECT_TRUE(written.get());
  close();
}

TEST_F(OriginTargetTest, HoldsWritesOverABarrier) {
  open();
  server_.send(BarrierMessage{1});
  EXPECT_EQ(server_.expect<BarrierAckMessage>().number, 1u);
  auto written = write(0, FakeServer::pattern('n'));
  server_.send(ReleaseMessage{1, Epoch{2}});
  grant(Epoch{2});
  EXPECT_TRUE(written.get());
  close();
}

TEST_F(OriginTargetTest, DiscardsOnlyWhatIsGranted) {
  open();
  auto written = write(0, FakeServer::pattern('n'));
  grant();
  ASSERT_TRUE(written.get());
  ASSERT_TRUE(target_->discard({0, 4 * kChunkBytes}));
  EXPECT_TRUE(server_.is_quiet());
  EXPECT_EQ(origin_chunk(1), FakeServer::pattern('o'));
  EXPECT_EQ(origin_chunk(3), FakeServer::pattern('o'));
  close();
}

TEST_F(OriginTargetTest, WriteZeroesIsAWrite) {
  open();
  auto written = std::async(std::launch::async, [this] {
    return target_->write_zeroes({0, kChunkBytes}, Durability::kLater);
  });
  grant();
  EXPECT_TRUE(written.get());
  EXPECT_EQ(origin_chunk(0), FakeServer::pattern('\0'));
  close();
}

TEST_F(OriginTargetTest, RefusedWritesFailWithTheServersErrno) {
  open();
  auto written = write(0, FakeServer::pattern('n'));
  const auto question = server_.expect<PrepareWriteMessage>();
  server_.send(GrantMessage{Epoch{1}, ENOSPC, true, question.ranges}, server_.request_id());
  EXPECT_EQ(written.get().error().code, ErrorCode::kNoSpace);
  EXPECT_EQ(origin_chunk(0), FakeServer::pattern('o'));
  close();
}

TEST_F(OriginTargetTest, WaitsOutALostServer) {
  open();
  auto written = write(0, FakeServer::pattern('n'));
  server_.expect<PrepareWriteMessage>();
  server_.die();
  server_.listen();
  const HelloMessage hello = server_.accept_and_welcome(server_.hello_ok(7));
  EXPECT_TRUE(hello.is_returning);
  EXPECT_EQ(hello.attachment_id, 7u);
  grant();
  EXPECT_TRUE(written.get());
  EXPECT_TRUE(is_owned(7));
  close();
}

TEST_F(OriginTargetTest, AttachesAnewWhereItIsForgotten) {
  open();
  server_.hang_up();
  EXPECT_TRUE(server_.accept().is_returning);
  server_.answer_error(ErrorCode::kNotFound);
  EXPECT_FALSE(server_.accept_and_welcome(server_.hello_ok(8)).is_returning);
  auto written = write(0, FakeServer::pattern('n'));
  grant();
  EXPECT_TRUE(written.get());
  EXPECT_TRUE(is_owned(8));
  EXPECT_FALSE(is_owned(7));
  close();
}

TEST_F(OriginTargetTest, NeverComesBackToAnotherStore) {
  open();
  server_.hang_up();
  HelloOkMessage other = server_.hello_ok(7);
  other.store_uuid.bytes[0] = std::byte{99};
  server_.accept_and_welcome(other);
  server_.accept_and_welcome(server_.hello_ok(7));  // it gave that line up and tried again
  auto written = write(0, FakeServer::pattern('n'));
  grant();
  EXPECT_TRUE(written.get());
  close();
}

TEST_F(OriginTargetTest, ParkedWriteFailsOnOrderAndTheEndDoesNotHang) {
  open();
  server_.die();
  auto written = write(0, FakeServer::pattern('n'));
  target_->fail_for_good();
  EXPECT_EQ(written.get().error().sys_errno, EIO);
  target_.reset();
}

TEST_F(OriginTargetTest, AServerThatIsNotThereIsAnErrorUnlessWaitedFor) {
  server_.die();
  EXPECT_FALSE(OriginTarget::open(options()).has_value());
  TargetOptions waiting = options();
  waiting.link.waits_for_server = true;
  auto opened =
      std::async(std::launch::async, [&] { return OriginTarget::open(std::move(waiting)); });
  server_.listen();
  server_.accept_and_welcome(server_.hello_ok(7));
  target_ = std::move(*opened.get());
  close();
}

TEST_F(OriginTargetTest, RefusedFirstHelloIsTheErrorOfOpen) {
  auto opened = opening();
  server_.accept();
  server_.answer_error(ErrorCode::kUsage);
  EXPECT_EQ(opened.get().error().code, ErrorCode::kUsage);
}

TEST_F(OriginTargetTest, WaitsWhileTheServerIsBusy) {
  auto opened = opening();
  server_.accept();
  server_.answer_error(ErrorCode::kBusy);
  server_.accept_and_welcome(server_.hello_ok(7));
  target_ = std::move(*opened.get());
  close();
}

}  // namespace
}  // namespace ddsnap
