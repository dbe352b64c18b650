// Shows that a session makes a copy equal to a snapshot, whatever happens to it on the way: cut at
// any byte it goes on where it was and sends what is left, by count; a resync sends what differs
// and reads each disk once; an audit finds what differs; what is no session is refused and writes
// nothing. Every record is seen to be made behind a flush (session_world.h).
#include <gtest/gtest.h>

#include <array>

#include "ddsnap/replica/message_stream.h"
#include "tests/support/session_world.h"

namespace ddsnap::test {
namespace {

constexpr unsigned kShift = 12;
constexpr std::size_t kSize = (1 << 20) + 512;  // the last chunk is a short one
constexpr std::size_t kWindow = 32 << 10;

struct World {
  explicit World(std::uint64_t seed, std::size_t old_size = kSize, std::size_t new_size = kSize)
      : pair(make_pair_of_volumes(seed, old_size, new_size)), source(kShift), target(held()) {
    source.add("a", pair.from_uuid, pair.old_bytes);
    source.add("b", pair.to_uuid, pair.new_bytes);
    target.state.state_.snapshot_uuid = pair.from_uuid;
  }
  // What the copy holds: a, in a device of the size of b.
  Bytes held() const {
    Bytes bytes = pair.old_bytes;
    bytes.resize(std::max(pair.old_bytes.size(), pair.new_bytes.size()));
    return bytes;
  }
  void expect_copied() const {
    Bytes bytes = target.bytes();
    bytes.resize(pair.new_bytes.size());
    EXPECT_TRUE(bytes == pair.new_bytes);
    EXPECT_EQ(target.state.state_.snapshot_uuid, pair.to_uuid);
    EXPECT_FALSE(target.state.state_.window);
  }

  Pair pair;
  SnapshotsInMemory source;
  MemoryTarget target;
};

const SendOptions kToB{.to_tag = "b", .window_bytes = kWindow};

TEST(ReplicaSession, MakesTheCopyEqual) {
  World world(1);
  const auto tally = send_to(world.target, world.source, kToB);
  ASSERT_OK(tally);
  world.expect_copied();
  EXPECT_EQ(tally->from_tag, "a");
  EXPECT_GT(tally->windows_sent, 4u);
  EXPECT_EQ(tally->chunks_sent, world.pair.list().chunk_count());
  const auto again = send_to(world.target, world.source, kToB);
  ASSERT_OK(again);
  EXPECT_TRUE(again->was_there);
  EXPECT_EQ(again->windows_sent, 0u);
}

TEST(ReplicaSession, TheBaseMayBeABookmark) {
  World world(2);
  world.source.make_bookmark("a");
  ASSERT_OK(send_to(world.target, world.source, kToB));
  world.expect_copied();
}

TEST(ReplicaSession, SizesMayDiffer) {
  for (const auto& [from, to] :
       {std::pair{kSize, kSize + 70'000}, std::pair{kSize, kSize - 70'144}}) {
    World world(3, from, to);
    ASSERT_OK(send_to(world.target, world.source, kToB));
    world.expect_copied();
  }
}

// Every byte count is too many; these cut in headers, bodies and between them, in both directions.
TEST(ReplicaSession, CutAnywhereItGoesOnAndNothingIsSentTwice) {
  World whole(4);
  const auto all = send_to(whole.target, whole.source, kToB);
  ASSERT_OK(all);
  const std::uint64_t bytes = all->sent_bytes + all->received_bytes;
  const std::uint64_t step = bytes / 31;
  for (std::uint64_t cut = 1; cut < bytes; cut += cut < 400 ? 31 : step) {
    SCOPED_TRACE(cut);
    World world(4);
    const auto first = send_to(world.target, world.source, kToB, cut);
    const Bytes between = world.target.bytes();
    const auto second = send_to(world.target, world.source, kToB);
    ASSERT_OK(second);
    world.expect_copied();
    if (!first) {
      EXPECT_TRUE(second->was_resumed || second->chunks_sent == all->chunks_sent);
    }
    // What was durable is not sent again: but for a few windows on their way, both are the whole.
    const std::uint64_t overlap = (kSessionWindowsAhead + 2) * (kWindow >> kShift);
    if (second->was_resumed && cut > bytes * 2 / 3) {
      EXPECT_LE(second->chunks_sent, all->chunks_sent / 2 + overlap);
    }
  }
}

TEST(ReplicaSession, CutAt99PercentSendsTheLastOne) {
  World world(5, 16 << 20, 16 << 20);
  SendOptions options = kToB;
  options.codec = {.codec = Codec::kNone};
  World whole(5, 16 << 20, 16 << 20);
  const auto all = send_to(whole.target, whole.source, options);
  ASSERT_OK(all);
  const std::uint64_t cut = all->sent_bytes * 99 / 100;
  ASSERT_FALSE(send_to(world.target, world.source, options, cut));
  const auto rest = send_to(world.target, world.source, options);
  ASSERT_OK(rest);
  world.expect_copied();
  EXPECT_TRUE(rest->was_resumed);
  // The last 1 %, and the window in which it was cut.
  EXPECT_LE(rest->sent_bytes, all->sent_bytes / 100 + 2 * kWindow) << all->sent_bytes;
  printf("whole %llu bytes, cut at 99 %%: the rest was %llu bytes\n",
         static_cast<unsigned long long>(all->sent_bytes),
         static_cast<unsigned long long>(rest->sent_bytes));
}

// As after kill -9 or a power cut in the middle of a window: whatever it holds there is
// overwritten.
TEST(ReplicaSession, ATornWindowIsWrittenAgain) {
  World world(6);
  ASSERT_FALSE(send_to(world.target, world.source, kToB, 60'000));
  const auto cut = cut_of(world.target.state.state_);
  ASSERT_TRUE(cut);
  const Changelist list = world.pair.list();
  CutTransfer torn = *cut;
  std::uint64_t chunk = 0;
  for (const ChunkRange& one : list.ranges)
    if (one.first.value >= cut->next && chunk == 0) chunk = one.first.value;
  ASSERT_GT(chunk, 0u);
  torn.doubt_end = chunk + 1;
  world.target.state.state_ = state_during(world.target.state.state_, torn);
  ASSERT_OK(world.target.device->write_at(chunk << kShift, Bytes(512, std::byte{0x77})));
  ASSERT_OK(send_to(world.target, world.source, kToB));
  world.expect_copied();
}

TEST(ReplicaSession, WhatSomebodyElseWroteIsNotOverwritten) {
  World world(7);
  const Changelist list = world.pair.list();
  const ChunkNr last = {static_cast<std::uint32_t>(list.ranges.back().end() - 1)};
  ASSERT_OK(world.target.device->write_at(std::uint64_t{last.value} << kShift,
                                          Bytes(512, std::byte{0x77})));
  const auto refused = send_to(world.target, world.source, kToB);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().text.find("somebody wrote"), std::string::npos) << refused.error().text;
  SendOptions resync = kToB;
  resync.is_resync = true;
  ASSERT_OK(send_to(world.target, world.source, resync));
  world.expect_copied();
}

TEST(ReplicaSession, ATransferThatWasCutOffIsFinishedBeforeTheNext) {
  World world(8);
  Pair next = next_pair(world.pair, 81);
  world.source.add("c", next.to_uuid, next.new_bytes);
  ASSERT_FALSE(send_to(world.target, world.source, kToB, 60'000));
  SendOptions to_c = kToB;
  to_c.to_tag = "c";
  ASSERT_OK(send_to(world.target, world.source, to_c));
  EXPECT_TRUE(world.target.bytes() == next.new_bytes);
  EXPECT_EQ(world.target.state.state_.snapshot_uuid, next.to_uuid);
}

TEST(ReplicaSession, ATransferThatCannotBeFinishedIsNamed) {
  World world(9);
  Pair next = next_pair(world.pair, 91);
  world.source.add("c", next.to_uuid, next.new_bytes);
  ASSERT_FALSE(send_to(world.target, world.source, kToB, 60'000));
  world.source.forget("b");
  SendOptions to_c = kToB;
  to_c.to_tag = "c";
  const auto refused = send_to(world.target, world.source, to_c);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().text.find("--resync"), std::string::npos) << refused.error().text;
  to_c.is_resync = true;
  ASSERT_OK(send_to(world.target, world.source, to_c));
  EXPECT_TRUE(world.target.bytes() == next.new_bytes);
}

TEST(ReplicaSession, NothingInCommonIsRefusedWithoutResync) {
  World world(10);
  world.target.state.state_.snapshot_uuid = {};
  const Bytes before = world.target.bytes();
  const auto refused = send_to(world.target, world.source, kToB);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().text.find("--resync"), std::string::npos) << refused.error().text;
  EXPECT_EQ(world.target.changes(), 0u);
  EXPECT_TRUE(world.target.bytes() == before);
}

// 1 % of the chunks differ, scattered, with content that no compressor makes smaller.
TEST(ReplicaSession, AResyncSendsWhatDiffersAndReadsEachDiskOnce) {
  constexpr unsigned kShift16K = 14;
  constexpr std::size_t kBytes = 64 << 20;
  SeededRandom random(11);
  const Bytes there = random_bytes(random, kBytes);
  Bytes here = there;
  const std::size_t chunks = kBytes >> kShift16K;
  for (std::size_t i = 0; i < chunks / 100; ++i)
    random.fill(std::span(here).subspan((i * 100 + random.below(100)) << kShift16K,
                                        std::size_t{1} << kShift16K));
  SnapshotsInMemory source(kShift16K);
  const Uuid uuid = Uuid::make(random);
  source.add("b", uuid, here);
  MemoryTarget target(there);
  const auto tally = send_to(target, source, {.to_tag = "b", .is_resync = true});
  ASSERT_OK(tally);
  EXPECT_TRUE(target.bytes() == here);
  EXPECT_EQ(target.state.state_.snapshot_uuid, uuid);
  EXPECT_EQ(tally->chunks_sent, chunks / 100);
  const std::uint64_t bytes = tally->sent_bytes + tally->received_bytes;
  EXPECT_LE(bytes, kBytes * 15 / 1000);
  EXPECT_EQ(source.trace("b").total(DeviceOp::kRead).bytes, kBytes);
  EXPECT_EQ(target.trace.total(DeviceOp::kRead).bytes, kBytes);
  printf("resync of %zu bytes with 1 %% different: %llu bytes on the wire, %.3f %%\n", kBytes,
         static_cast<unsigned long long>(bytes), 100.0 * static_cast<double>(bytes) / kBytes);
}

TEST(ReplicaSession, AResyncThatIsCutBeginsAgainAndEndsEqual) {
  for (const std::uint64_t cut : {500u, 5'000u, 60'000u, 200'000u}) {
    World world(12);
    world.target.device->set_content(cow(make_volume(99, kSize, 4096)));
    SendOptions resync = kToB;
    resync.is_resync = true;
    EXPECT_FALSE(send_to(world.target, world.source, resync, cut)) << cut;
    ASSERT_OK(send_to(world.target, world.source, resync));
    world.expect_copied();
  }
}

TEST(ReplicaSession, AnAuditNamesWhatDiffersInItsPart) {
  World world(13);
  ASSERT_OK(send_to(world.target, world.source, kToB));
  constexpr std::uint64_t kAt = 200 << kShift;
  ASSERT_OK(world.target.device->write_at(kAt, Bytes(8192, std::byte{0x55})));
  SendOptions options = kToB;
  options.audit_parts = 4;
  std::vector<ByteRange> found;
  std::uint64_t covered = 0;
  for (options.audit_part = 0; options.audit_part < 4; ++options.audit_part) {
    const auto tally = send_to(world.target, world.source, options);
    ASSERT_OK(tally);
    ASSERT_TRUE(tally->audit);
    EXPECT_EQ(tally->audit->slice.offset_bytes, covered);
    covered = tally->audit->slice.end_bytes();
    for (const ByteRange& one : tally->audit->differences) found.push_back(one);
  }
  EXPECT_GE(covered, kSize);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0], (ByteRange{kAt, 8192}));
}

TEST(ReplicaSession, DevicesAreComparedOverTheWire) {
  World world(14);
  const auto ours = device_of(world.target.bytes(), "ours");
  ASSERT_OK(world.target.device->write_at(4096 * 7, Bytes(512, std::byte{0x55})));
  for (const std::size_t more : {std::size_t{0}, std::size_t{20'480}}) {
    Bytes bytes = ours->content().to_vector();
    bytes.resize(bytes.size() + more);
    const auto larger = device_of(bytes, "ours");
    Meeting meeting(world.target);
    WorkContext context{.workers = 1};
    Channel channel(meeting.link(), "receiver", {});
    const auto found = compare_over(channel, *larger, kShift, "vol", "", context);
    ASSERT_OK(found);
    ASSERT_EQ(found->size(), more == 0 ? 1u : 2u);
    EXPECT_EQ(found->front(), (ByteRange{std::uint64_t{4096 * 7}, 4096}));
    if (more > 0) {
      EXPECT_EQ(found->back().end_bytes(), larger->size_bytes());
    }
  }
  EXPECT_EQ(world.target.changes(), 0u);
}

TEST(ReplicaSession, AnUnknownVolumeIsRefused) {
  World world(15);
  Meeting meeting(world.target);
  WorkContext context{.workers = 1};
  Channel channel(meeting.link(), "receiver", {});
  const auto refused =
      replicate_over(channel, world.source, {.volume = "other", .to_tag = "b"}, context);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kNotFound);
  EXPECT_NE(refused.error().text.find("no volume 'other'"), std::string::npos);
}

// ---- a receiver among strangers ----

TEST(ReplicaSession, GarbageIsRefusedAndWritesNothing) {
  SeededRandom random(16);
  for (int round = 0; round < 20; ++round) {
    World world(16);
    Meeting meeting(world.target);
    Channel channel(meeting.link(), "receiver", {.patience_ms = 20'000});
    (void)channel.write(random_bytes(random, 1 + random.below(5000)));
    channel.finish();
    EXPECT_FALSE(meeting.end());
    EXPECT_EQ(world.target.changes(), 0u);
    EXPECT_EQ(world.target.state.stores_, 0);
  }
}

TEST(ReplicaSession, WhoSaysNothingOrLittleIsGivenUp) {
  for (const std::size_t bytes :
       {std::size_t{0}, std::size_t{1}, kSessionHeaderBytes - 1, kSessionHeaderBytes + 1}) {
    World world(17);
    Meeting meeting(world.target, 30);
    const auto body = encode_session(HelloSession{.volume = "vol"});
    Bytes hello = encode_session_header(SessionMsg::kHello, 0, body);
    hello.insert(hello.end(), body.begin(), body.end());
    const auto link = meeting.link();
    if (bytes > 0) {
      ASSERT_TRUE(link->write_some(std::span(hello).first(bytes)));
    }
    const Status ended = meeting.end();
    ASSERT_FALSE(ended);
    EXPECT_EQ(ended.error().code, ErrorCode::kBusy) << ended.error().text;
    EXPECT_EQ(world.target.changes(), 0u);
  }
}

// Each byte of a session in turn is another one: it ends in an error or in the right content, and
// whatever came before, the next session mends it.
TEST(ReplicaSession, AFlippedByteIsNeverWritten) {
  class FlippingLink final : public ByteLink {
   public:
    FlippingLink(std::unique_ptr<ByteLink> next, std::uint64_t at)
        : next_(std::move(next)), at_(at) {}
    Result<Step> read_some(std::span<std::byte> into) override { return next_->read_some(into); }
    Result<Step> write_some(std::span<const std::byte> from) override {
      Bytes bytes(from.begin(), from.end());
      if (at_ >= done_ && at_ - done_ < bytes.size()) bytes[at_ - done_] ^= std::byte{0x10};
      auto step = next_->write_some(bytes);
      if (step) done_ += step->bytes;
      return step;
    }
    void end_writing() override { next_->end_writing(); }
    int read_fd() const override { return next_->read_fd(); }
    int write_fd() const override { return next_->write_fd(); }

   private:
    std::unique_ptr<ByteLink> next_;
    std::uint64_t at_;
    std::uint64_t done_ = 0;
  };
  World whole(18);
  const auto all = send_to(whole.target, whole.source, kToB);
  ASSERT_OK(all);
  for (std::uint64_t at = 0; at < all->sent_bytes; at += at < 200 ? 13 : all->sent_bytes / 20) {
    SCOPED_TRACE(at);
    World world(18);
    {
      Meeting meeting(world.target);
      WorkContext context{.workers = 1};
      SendOptions options = kToB;
      options.volume = "vol";
      Channel channel(std::make_unique<FlippingLink>(meeting.link(), at), "receiver", {});
      EXPECT_FALSE(replicate_over(channel, world.source, options, context));
      EXPECT_FALSE(meeting.end());
    }
    ASSERT_OK(send_to(world.target, world.source, kToB));
    world.expect_copied();
  }
}

}  // namespace
}  // namespace ddsnap::test
