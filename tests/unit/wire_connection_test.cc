// Framing and waiting connections, over a pair of connected sockets whose other end the test holds:
// frames in any pieces, answers, errors, silence and hanging up.
#include "ddsnap/wire/connection.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include "ddsnap/wire/cli_messages.h"
#include "ddsnap/wire/socket.h"

namespace ddsnap {
namespace {

class WireConnection : public ::testing::Test {
 protected:
  WireConnection() {
    SocketPair pair = *make_socket_pair();
    ours_.emplace(std::move(pair.first));
    theirs_.emplace(std::move(pair.second));
  }
  std::optional<Connection> ours_;
  std::optional<Connection> theirs_;
};

TEST(FrameBuffer, TakesFramesInAnyPieces) {
  std::vector<std::byte> stream = encode(BarrierMessage{1}, 11);
  const auto second = encode(OkMessage{}, 12);
  stream.insert(stream.end(), second.begin(), second.end());
  for (std::size_t piece = 1; piece <= stream.size(); ++piece) {
    FrameBuffer buffer;
    std::vector<std::uint64_t> ids;
    for (std::size_t at = 0; at < stream.size(); at += piece) {
      buffer.feed(std::span(stream).subspan(at, std::min(piece, stream.size() - at)));
      while (const auto frame = *buffer.next()) ids.push_back(frame->header.request_id);
    }
    EXPECT_EQ(ids, (std::vector<std::uint64_t>{11, 12})) << "pieces of " << piece;
    EXPECT_FALSE(buffer.has_partial());
  }
}

TEST(FrameBuffer, StaysFailedAfterABadHeader) {
  FrameBuffer buffer;
  buffer.feed(std::vector<std::byte>(kFrameHeaderBytes, std::byte{'x'}));
  EXPECT_EQ(buffer.next().error().code, ErrorCode::kDamaged);
  buffer.feed(encode(OkMessage{}, 1));
  EXPECT_EQ(buffer.next().error().code, ErrorCode::kDamaged);
}

TEST(FrameBuffer, RefusesTooLongABodyBeforeItComes) {
  auto frame = encode(OkMessage{}, 1);
  frame[8 + 2] = std::byte{1};  // 65,536 bytes
  FrameBuffer buffer;
  buffer.feed(frame);
  EXPECT_EQ(buffer.next().error().code, ErrorCode::kDamaged);
}

TEST_F(WireConnection, CallsAndSkipsAnswersToOthers) {
  // The first call of a connection has the request id 1.
  ASSERT_TRUE(theirs_->send(OkMessage{}, 77));
  ASSERT_TRUE(theirs_->send(UseCountMessage{3, 4}, 1));
  const auto answer = ours_->call<UseCountMessage>(AddUseCountMessage{"0", 1}, 2000);
  ASSERT_TRUE(answer.has_value()) << answer.error().message();
  EXPECT_EQ(answer->target_count, 4u);
  EXPECT_EQ(theirs_->receive()->header.type, MsgType::kAddUseCount);
}

TEST_F(WireConnection, TurnsErrorMessagesIntoErrors) {
  ASSERT_TRUE(theirs_->send(ErrorMessage{{ErrorCode::kNotFound, 2, "no such tag"}}, 1));
  const auto answer = ours_->call<UseCountMessage>(AddUseCountMessage{"0", 1}, 2000);
  EXPECT_EQ(answer.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(answer.error().sys_errno, 2);
  EXPECT_EQ(answer.error().text, "no such tag");
}

TEST_F(WireConnection, SaysBusyWhenNoAnswerComes) {
  EXPECT_EQ(ours_->call<OkMessage>(GetStatusMessage{}, 10).error().code, ErrorCode::kBusy);
}

TEST_F(WireConnection, SaysDisconnectedWhenThePeerHangsUp) {
  theirs_.reset();
  EXPECT_EQ(ours_->receive().error().code, ErrorCode::kDisconnected);
  EXPECT_EQ(ours_->send(OkMessage{}).error().code, ErrorCode::kDisconnected);
}

TEST_F(WireConnection, RefusesAnAnswerOfAnotherKind) {
  ASSERT_TRUE(theirs_->send(OkMessage{}, 1));
  EXPECT_EQ(ours_->call<ServerStatusMessage>(GetStatusMessage{}, 2000).error().code,
            ErrorCode::kDamaged);
}

TEST_F(WireConnection, SendsMoreThanTheSocketHolds) {
  // Nobody reads: the send ends at its deadline instead of hanging.
  const std::vector<std::byte> bytes(8u << 20);
  EXPECT_EQ(ours_->send_frame(bytes, Deadline::after_ms(20)).error().code, ErrorCode::kBusy);
}

}  // namespace
}  // namespace ddsnap
