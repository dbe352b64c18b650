// The agent over real sockets: targets first, servers first, a restarted agent, a restarted server,
// nonsense, half a message.
#include "agent/agent.h"

#include <gtest/gtest.h>

#include <csignal>
#include <optional>
#include <thread>

#include "ddsnap/wire/cli_messages.h"
#include "ddsnap/wire/connection.h"
#include "server/agent_link.h"
#include "server/clock.h"
#include "tests/support/pretend_signal.h"
#include "tests/support/temp_dir.h"

namespace ddsnap::test {
namespace {

constexpr std::uint64_t kWait_ms = 20'000;
const DevicePair kPair{{DeviceId::Kind::kFile, 1, 1}, {DeviceId::Kind::kFile, 1, 2}};

class RunningAgent {
 public:
  explicit RunningAgent(const std::string& address)
      : listener_(*ListeningSocket::open(address)),
        agent_(*Agent::make({listener_, log_, signal_.fd(), [] {}})),
        thread_([this] { EXPECT_TRUE(agent_->run()); }) {}
  ~RunningAgent() {
    signal_.raise(SIGTERM);
    thread_.join();
  }

 private:
  NullLog log_;
  PretendSignal signal_;
  ListeningSocket listener_;
  std::unique_ptr<Agent> agent_;
  std::thread thread_;
};

class AgentTest : public ::testing::Test {
 protected:
  Connection connect() { return *Connection::open(address_, kWait_ms); }
  // Drives a server's link until it is registered.
  static void register_link(AgentLink& link) {
    const Deadline deadline = Deadline::after_ms(kWait_ms);
    while (!link.is_registered()) {
      ASSERT_FALSE(deadline.has_passed());
      const std::uint64_t now_ns = read_clock().steady_ns;
      link.on_time(now_ns);
      link.on_event(now_ns);
      std::this_thread::yield();
    }
  }

  TempDir directory_;
  std::string address_ = directory_.file("control");
};

TEST_F(AgentTest, ServerFirst) {
  const RunningAgent agent(address_);
  Connection server = connect();
  ASSERT_TRUE(server.call<OkMessage>(ServeMessage{kPair, "/run/server"}, kWait_ms));
  Connection target = connect();
  const auto at = target.call<ServerAtMessage>(FindServerMessage{kPair}, kWait_ms);
  ASSERT_TRUE(at) << at.error().message();
  EXPECT_EQ(at->address, "/run/server");
}

TEST_F(AgentTest, TargetFirst) {
  const RunningAgent agent(address_);
  Connection target = connect();
  ASSERT_TRUE(target.send(FindServerMessage{kPair}, 42));
  Connection server = connect();
  ASSERT_TRUE(server.call<OkMessage>(ServeMessage{kPair, "/run/server"}, kWait_ms));
  const auto answer = target.receive(Deadline::after_ms(kWait_ms));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->header.request_id, 42u);
  EXPECT_EQ(decode<ServerAtMessage>(answer->body)->address, "/run/server");
}

TEST_F(AgentTest, SecondServerIsRefusedWhileTheFirstLivesAndTakenAfterwards) {
  const RunningAgent agent(address_);
  std::optional<Connection> first(connect());
  ASSERT_TRUE(first->call<OkMessage>(ServeMessage{kPair, "/first"}, kWait_ms));
  Connection second = connect();
  const auto refused = second.call<OkMessage>(ServeMessage{kPair, "/second"}, kWait_ms);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kBusy);
  first.reset();
  // Even when the agent has not read the end of the first connection yet.
  EXPECT_TRUE(second.call<OkMessage>(ServeMessage{kPair, "/second"}, kWait_ms));
}

TEST_F(AgentTest, LinkComesBeforeTheAgentAndRegistersAgainAfterItsRestart) {
  NullLog log;
  AgentLink link(address_, {kPair, "/run/server"}, log);
  link.on_time(read_clock().steady_ns);
  EXPECT_EQ(link.fd(), -1);
  for (int life = 0; life < 2; ++life) {
    {
      const RunningAgent agent(address_);
      register_link(link);
      Connection target = connect();
      EXPECT_TRUE(target.call<ServerAtMessage>(FindServerMessage{kPair}, kWait_ms));
    }
    link.on_event(read_clock().steady_ns);
    EXPECT_FALSE(link.is_registered());
    EXPECT_EQ(link.fd(), -1);
  }
}

TEST_F(AgentTest, NonsenseEndsOneConnectionOnly) {
  const RunningAgent agent(address_);
  Connection good = connect();
  Connection bad = connect();
  const std::vector<std::byte> noise(100, std::byte{0x5a});
  ASSERT_TRUE(bad.send_frame(noise));
  while (const auto frame = bad.receive(Deadline::after_ms(kWait_ms)))
    EXPECT_EQ(frame->header.type, MsgType::kError);
  Connection wrong = connect();
  ASSERT_TRUE(wrong.send(GetStatusMessage{}, 1));
  EXPECT_EQ(wrong.receive(Deadline::after_ms(kWait_ms))->header.type, MsgType::kError);
  EXPECT_TRUE(good.call<OkMessage>(ServeMessage{kPair, "/run/server"}, kWait_ms));
}

TEST_F(AgentTest, HalfAMessageDelaysNobody) {
  const RunningAgent agent(address_);
  Connection half = connect();
  const auto frame = encode(FindServerMessage{kPair}, 1);
  ASSERT_TRUE(half.send_frame(std::span(frame).first(10)));
  Connection server = connect();
  ASSERT_TRUE(server.call<OkMessage>(ServeMessage{kPair, "/run/server"}, kWait_ms));
  ASSERT_TRUE(half.send_frame(std::span(frame).subspan(10)));
  EXPECT_EQ(half.receive(Deadline::after_ms(kWait_ms))->header.type, MsgType::kServerAt);
}

}  // namespace
}  // namespace ddsnap::test
