// Writes to the origin while no target is attached (T11): noticed by the next attach and the next
// start where they touch what mounting touches, told, and never passed over in a changelist. Volume
// over memory devices; the file systems' part is in the places that are written.
#include "server/origin_watch.h"

#include "tests/support/volume_harness.h"

namespace ddsnap::test {
namespace {

constexpr std::uint32_t kChunks = 32768;  // 128 MiB: btrfs's first copy is inside
constexpr std::uint64_t kBytes = kChunks * VolumeHarness::kChunkBytes;

class OriginWatchTest : public ::testing::Test {
 protected:
  OriginWatchTest() {
    const auto target = world_.attach("o");
    world_.create_with({target.session}, "0");
    EXPECT_TRUE(world_.overwrite(target.session, 7, 'a'));
    world_.create_with({target.session}, "1");
    detach(target.session);
  }

  void detach(SessionId session) {
    world_.send(session, DetachMessage{});
    world_.take<OkMessage>(session);
    world_.disconnect(session);
  }
  // One byte of the raw origin becomes another.
  void poke(std::uint64_t offset_bytes) {
    std::byte block[512];
    const std::uint64_t at = offset_bytes / sizeof block * sizeof block;
    ASSERT_TRUE(world_.origin_memory.read_at(at, block));
    block[offset_bytes % sizeof block] ^= std::byte{1};
    ASSERT_TRUE(world_.origin_memory.write_at(at, block));
  }
  bool is_told() const {
    return std::ranges::any_of(world_.log.lines(), [](const std::string& line) {
      return line.find("was written while no target was attached") != std::string::npos;
    });
  }
  ErrorCode list_code(const std::string& from, const std::string& to) {
    const SessionId client = world_.connect();
    world_.send(client, GetChangelistMessage{.from_tag = from, .to_tag = to});
    world_.run();
    if (world_.inbox[client].front().header.type == MsgType::kChangelistPart) return ErrorCode{};
    return world_.take_error(client).code;
  }

  VolumeHarness world_{kChunks, 4u << 20};
};

TEST_F(OriginWatchTest, NothingWrittenNothingSaid) {
  world_.attach("again");
  EXPECT_FALSE(is_told());
  EXPECT_EQ(list_code("0", "now"), ErrorCode{});
}

TEST_F(OriginWatchTest, WhatAMountWritesIsNoticedAtAttach) {
  poke(1024 + 0x2c);  // ext4: the time of the last mount
  const auto target = world_.attach("again");
  EXPECT_TRUE(is_told());
  EXPECT_EQ(list_code("0", "1"), ErrorCode{}) << "that was before";
  EXPECT_EQ(list_code("0", "now"), ErrorCode::kDamaged);
  EXPECT_EQ(list_code("1", "now"), ErrorCode::kDamaged);
  world_.create_with({target.session}, "2");
  EXPECT_EQ(list_code("1", "2"), ErrorCode::kDamaged);
  EXPECT_TRUE(world_.overwrite(target.session, 9, 'b'));
  EXPECT_EQ(list_code("2", "now"), ErrorCode{}) << "a new snapshot is a new beginning";
  world_.restart();
  EXPECT_EQ(list_code("1", "2"), ErrorCode::kDamaged) << "durable";
  EXPECT_EQ(list_code("2", "now"), ErrorCode{});
}

TEST_F(OriginWatchTest, EveryPlaceWhereASuperblockMayLieIsLookedAt) {
  std::vector<std::uint64_t> places = {0,
                                       512,
                                       1024,
                                       4096,
                                       64u << 10,
                                       (64u << 10) + 2048,
                                       64u << 20,
                                       (128u << 20) - 8192,
                                       (128u << 20) - 1};
  const auto before = digest_of_origin(world_.origin_memory, kBytes);
  ASSERT_TRUE(before);
  for (const std::uint64_t place : places) {
    poke(place);
    const auto after = digest_of_origin(world_.origin_memory, kBytes);
    ASSERT_TRUE(after);
    EXPECT_NE(*after, *before) << place;
    poke(place);
  }
  EXPECT_EQ(digest_of_origin(world_.origin_memory, kBytes).value(), *before);
}

TEST_F(OriginWatchTest, NoticedAtTheStartOfAServerToo) {
  poke(100);
  world_.restart();
  EXPECT_TRUE(is_told());
  EXPECT_EQ(list_code("1", "now"), ErrorCode::kDamaged);
  const std::size_t lines = world_.log.lines().size();
  world_.attach("again");
  EXPECT_FALSE(std::any_of(
      world_.log.lines().begin() + static_cast<std::ptrdiff_t>(lines), world_.log.lines().end(),
      [](const std::string& line) { return line.find("was written while") != std::string::npos; }))
      << "told once";
}

TEST_F(OriginWatchTest, OurOwnTargetsWritesAreNoMismatch) {
  const auto one = world_.attach("one");
  const auto two = world_.attach("two");
  EXPECT_TRUE(world_.overwrite(one.session, 0, 'c'));
  detach(one.session);
  EXPECT_TRUE(world_.overwrite(two.session, 1, 'd'));
  world_.restart();  // as after a crash: "two" is still attached, and nothing is compared
  EXPECT_FALSE(is_told());
  const auto back = world_.come_back(two);
  EXPECT_TRUE(world_.overwrite(back.session, 2, 'e'));
  detach(back.session);
  world_.restart();
  world_.attach("three");
  EXPECT_FALSE(is_told());
}

TEST_F(OriginWatchTest, OriginThatCannotBeReadIsNotJudged) {
  world_.faulty_origin.inject({.op = DeviceOp::kRead, .is_forever = true});
  const auto target = world_.attach("again");
  EXPECT_FALSE(is_told());
  world_.faulty_origin.heal();
  EXPECT_EQ(list_code("1", "now"), ErrorCode{});
  detach(target.session);
}

TEST(OriginDigest, TinyOriginsHaveOneToo) {
  for (const std::uint64_t bytes : {512u, 4096u, 65536u, 69632u}) {
    MemoryDevice origin(bytes);
    EXPECT_TRUE(digest_of_origin(origin, bytes)) << bytes;
  }
}

}  // namespace
}  // namespace ddsnap::test
