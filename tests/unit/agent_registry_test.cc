// The agent's memory: who serves what, who waits for whom, and that all of it ends with its
// connection.
#include "agent/registry.h"

#include <gtest/gtest.h>

namespace ddsnap {
namespace {

const DevicePair kPair{{DeviceId::Kind::kFile, 1, 1}, {DeviceId::Kind::kFile, 1, 2}};
const DevicePair kOther{{DeviceId::Kind::kBlock, 8 << 20, 0}, {DeviceId::Kind::kFile, 1, 2}};
constexpr AgentPeerId kServer{1};
constexpr AgentPeerId kTarget{2};

TEST(AgentRegistry, QuestionBeforeTheServerIsAnsweredWhenItComes) {
  Registry registry;
  EXPECT_EQ(*registry.find_server({kTarget, 7}, kPair), nullptr);
  EXPECT_TRUE(registry.serve(kServer, kOther, "/other")->empty());
  const auto answered = registry.serve(kServer, kPair, "/server");
  ASSERT_EQ(answered->size(), 1u);
  EXPECT_EQ(answered->front().request_id, 7u);
  EXPECT_EQ(registry.waiting_count(), 0u);
  EXPECT_EQ(**registry.find_server({kTarget, 8}, kPair), "/server");
}

TEST(AgentRegistry, SecondLivingServerIsRefused) {
  Registry registry;
  ASSERT_TRUE(registry.serve(kServer, kPair, "/server"));
  const auto second = registry.serve(AgentPeerId{9}, kPair, "/second");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kBusy);
  registry.forget(kServer);
  EXPECT_TRUE(registry.serve(AgentPeerId{9}, kPair, "/second"));
}

TEST(AgentRegistry, LostTargetWaitsNoLonger) {
  Registry registry;
  ASSERT_TRUE(registry.find_server({kTarget, 7}, kPair));
  registry.forget(kTarget);
  EXPECT_EQ(registry.waiting_count(), 0u);
  EXPECT_TRUE(registry.serve(kServer, kPair, "/server")->empty());
}

TEST(AgentRegistry, QuestionsOfOneConnectionAreBounded) {
  Registry registry;
  std::uint64_t asked = 0;
  while (registry.find_server({kTarget, asked}, kPair)) ASSERT_LT(++asked, 1000u);
  EXPECT_GT(asked, 0u);
  EXPECT_TRUE(registry.find_server({AgentPeerId{5}, 0}, kPair)) << "others are not affected";
}

}  // namespace
}  // namespace ddsnap
