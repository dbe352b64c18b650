// The server's loop over real sockets: several clients at once, half a header, a flood that nobody
// reads, thousands of connections, a clean stop (T7). The store lives in memory.
#include "server/server_loop.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <thread>

#include "ddsnap/base/descriptor_limit.h"
#include "ddsnap/wire/connection.h"
#include "tests/support/memory_device.h"
#include "tests/support/pretend_signal.h"
#include "tests/support/temp_dir.h"

namespace ddsnap::test {
namespace {

constexpr std::uint64_t kWait_ms = 60'000;
constexpr unsigned kShift = 12;

class NobodyIsGone final : public OwnershipProbe {
 public:
  bool is_gone(const Attachment&) override { return false; }
};

class ServerLoopTest : public ::testing::Test {
 protected:
  ServerLoopTest() {
    raise_descriptor_limit();
    EXPECT_TRUE(initialize_store({snapstore_, origin_}, {.chunk_shift = kShift}, random_));
    start();
  }
  ~ServerLoopTest() override { stop(); }

  void start() {
    store_ = *SnapStore::open({snapstore_, origin_}, {}, random_);
    const VolumeConfig config{
        .pair = {{DeviceId::Kind::kFile, 1, 1}, {DeviceId::Kind::kFile, 1, 2}},
        .origin_path = "/origin",
        .snapstore_path = "/snapstore"};
    volume_ = std::make_unique<Volume>(*store_, origin_, config, random_, probe_, log_);
    listener_.emplace(*ListeningSocket::open(address_));
    agent_ = std::make_unique<AgentLink>(directory_.file("nobody"),
                                         ServeMessage{config.pair, address_}, log_);
    loop_ = *ServerLoop::make({*volume_, *store_, *listener_, *agent_, log_, signal_.fd(),
                               [this] { hangups_.fetch_add(1); }});
    thread_ = std::thread([this] { EXPECT_TRUE(loop_->run()); });
  }
  void stop() {
    if (!thread_.joinable()) return;
    signal_.raise(SIGTERM);
    thread_.join();
    loop_.reset();
    listener_.reset();
    EXPECT_TRUE(store_->close_cleanly());
    volume_.reset();
    store_.reset();
  }
  Connection connect() { return *Connection::open(address_, kWait_ms); }
  Status create(Connection& client, const std::string& tag) {
    DD_TRY(client.call<OkMessage>(
        CreateSnapshotMessage{.uuid = Uuid::make(client_random_), .tag = tag}, kWait_ms));
    return {};
  }
  static HelloMessage hello(RandomSource& random, const std::string& tag = "") {
    return {.role = tag.empty() ? TargetRole::kOrigin : TargetRole::kSnapshot,
            .target_uuid = Uuid::make(random),
            .tag = tag,
            .label = "target"};
  }

  TempDir directory_;
  std::string address_ = directory_.file("server");
  SeededRandom random_{7};
  SeededRandom client_random_{8};
  MemoryDevice snapstore_{64u << 20, "snapstore"};
  MemoryDevice origin_{64u << 20, "origin"};
  NobodyIsGone probe_;
  NullLog log_;
  PretendSignal signal_;
  std::atomic<int> hangups_ = 0;
  std::unique_ptr<SnapStore> store_;
  std::unique_ptr<Volume> volume_;
  std::optional<ListeningSocket> listener_;
  std::unique_ptr<AgentLink> agent_;
  std::unique_ptr<ServerLoop> loop_;
  std::thread thread_;
};

TEST_F(ServerLoopTest, SnapshotsOutliveACleanStop) {
  Connection client = connect();
  ASSERT_TRUE(create(client, "0"));
  stop();
  EXPECT_FALSE(client.receive(Deadline::after_ms(kWait_ms)));
  EXPECT_FALSE(Connection::open(address_, 100)) << "the socket file is still there";
  start();
  Connection again = connect();
  const auto list = again.call<SnapshotListMessage>(ListSnapshotsMessage{}, kWait_ms);
  ASSERT_TRUE(list);
  ASSERT_EQ(list->entries.size(), 1u);
  EXPECT_EQ(list->entries[0].tag, "0");
}

TEST_F(ServerLoopTest, TargetIsGrantedAndHoldsStillForASnapshot) {
  Connection target = connect();
  ASSERT_TRUE(target.call<HelloOkMessage>(hello(client_random_), kWait_ms));
  std::thread creating([&] {
    Connection client = connect();
    EXPECT_TRUE(create(client, "0"));
  });
  const auto barrier = target.receive(Deadline::after_ms(kWait_ms));
  ASSERT_TRUE(barrier);
  ASSERT_EQ(barrier->header.type, MsgType::kBarrier);
  ASSERT_TRUE(target.send(BarrierAckMessage{decode<BarrierMessage>(barrier->body)->number}));
  EXPECT_EQ(target.receive(Deadline::after_ms(kWait_ms))->header.type, MsgType::kRelease);
  creating.join();
  const auto grant = target.call<GrantMessage>(PrepareWriteMessage{{{{5}, 1}}}, kWait_ms);
  ASSERT_TRUE(grant);
  EXPECT_EQ(grant->result_errno, 0);
}

TEST_F(ServerLoopTest, HalfAHeaderDelaysNobody) {
  Connection half = connect();
  const auto frame = encode(GetStatusMessage{}, 1);
  ASSERT_TRUE(half.send_frame(std::span(frame).first(7)));
  Connection other = connect();
  EXPECT_TRUE(other.call<ServerStatusMessage>(GetStatusMessage{}, kWait_ms));
  ASSERT_TRUE(half.send_frame(std::span(frame).subspan(7)));
  EXPECT_EQ(half.receive(Deadline::after_ms(kWait_ms))->header.type, MsgType::kServerStatus);
}

TEST_F(ServerLoopTest, NoiseEndsOneConnection) {
  Connection noisy = connect();
  const std::vector<std::byte> noise(1000, std::byte{0xff});
  ASSERT_TRUE(noisy.send_frame(noise));
  while (const auto frame = noisy.receive(Deadline::after_ms(kWait_ms)))
    EXPECT_EQ(frame->header.type, MsgType::kError);
  Connection other = connect();
  EXPECT_TRUE(other.call<ServerStatusMessage>(GetStatusMessage{}, kWait_ms));
}

TEST_F(ServerLoopTest, RequestBeforeClosingIsDoneAllTheSame) {
  {
    Connection hasty = connect();
    ASSERT_TRUE(hasty.send(GetStatusMessage{}, 1));
    ASSERT_TRUE(
        hasty.send(CreateSnapshotMessage{.uuid = Uuid::make(client_random_), .tag = "0"}, 2));
  }
  Connection other = connect();
  const Deadline deadline = Deadline::after_ms(kWait_ms);
  for (;;) {
    const auto list = other.call<SnapshotListMessage>(ListSnapshotsMessage{}, kWait_ms);
    ASSERT_TRUE(list);
    if (list->entries.size() == 1) break;
    ASSERT_FALSE(deadline.has_passed());
  }
}

// Asks for far more than it reads: is slowed down, not fed without bounds, and gets all of it.
TEST_F(ServerLoopTest, FloodIsHeldBackAndLosesNothing) {
  Connection maker = connect();
  ASSERT_TRUE(create(maker, "0"));
  Connection flood = connect();
  ASSERT_TRUE(flood.call<HelloOkMessage>(hello(client_random_, "0"), kWait_ms));
  constexpr std::uint64_t kQuestions = 40;
  constexpr std::uint32_t kChunks = (64u << 20) >> kShift;
  std::thread asking([&] {
    for (std::uint64_t i = 0; i < kQuestions; ++i)
      EXPECT_TRUE(flood.send(LocateMessage{{{{0}, kChunks}}}, 100 + i));
  });
  Connection other = connect();
  for (int i = 0; i < 20; ++i)
    EXPECT_TRUE(other.call<ServerStatusMessage>(GetStatusMessage{}, kWait_ms));
  std::uint64_t entries = 0;
  for (std::uint64_t finished = 0; finished < kQuestions;) {
    const auto frame = flood.receive(Deadline::after_ms(kWait_ms));
    ASSERT_TRUE(frame) << frame.error().message();
    const auto part = decode<LocatedMessage>(frame->body);
    ASSERT_TRUE(part);
    entries += part->entries.size();
    finished += part->is_last;
  }
  asking.join();
  EXPECT_EQ(entries, kQuestions * kChunks);
}

TEST_F(ServerLoopTest, TenThousandConnections) {
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  // Both ends live in this process.
  const std::size_t count = std::min<std::size_t>(10'000, (limit.rlim_cur - 100) / 2);
  if (count < 5'000)
    GTEST_SKIP() << "needs 10,100 descriptors at the least, has " << limit.rlim_cur;
  std::vector<Connection> crowd;
  for (std::size_t i = 0; i < count; ++i) {
    auto connection = Connection::open(address_, kWait_ms);
    ASSERT_TRUE(connection) << i << ": " << connection.error().message();
    ASSERT_TRUE(connection->send(GetStatusMessage{}, 1));
    crowd.push_back(*std::move(connection));
  }
  for (Connection& connection : crowd) {
    const auto status = connection.receive(Deadline::after_ms(kWait_ms));
    ASSERT_TRUE(status) << status.error().message();
    ASSERT_EQ(status->header.type, MsgType::kServerStatus);
  }
  ASSERT_TRUE(create(crowd.front(), "0"));
}

TEST_F(ServerLoopTest, HangUpSignalReopensTheLogAndGoesOn) {
  signal_.raise(SIGHUP);
  Connection client = connect();
  EXPECT_TRUE(client.call<ServerStatusMessage>(GetStatusMessage{}, kWait_ms));
  const Deadline deadline = Deadline::after_ms(kWait_ms);
  while (hangups_ == 0) ASSERT_FALSE(deadline.has_passed());
}

TEST_F(ServerLoopTest, LiveSocketIsNotTakenOver) {
  const auto second = ListeningSocket::open(address_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kBusy);
}

}  // namespace
}  // namespace ddsnap::test
