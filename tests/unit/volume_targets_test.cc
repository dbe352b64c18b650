// Targets and their questions: who may attach and return (T4, T8), grants and their fairness (T1,
// T7), places in snapshots (T5, T6), over a real store on memory devices. Timelines 4, 14.
#include <algorithm>

#include "tests/support/volume_harness.h"

namespace ddsnap::test {
namespace {

constexpr std::uint64_t kChunks = 2048;
constexpr std::uint64_t kStoreBytes = 32u << 20;

class VolumeTargets : public ::testing::Test {
 protected:
  VolumeHarness world_{kChunks, kStoreBytes};
};

std::uint64_t chunks_in(const std::vector<GrantMessage>& parts) {
  std::uint64_t chunks = 0;
  for (const GrantMessage& part : parts)
    for (const ChunkRange range : part.ranges) chunks += range.count;
  return chunks;
}

// ---- attaching ----

TEST_F(VolumeTargets, AttachmentIsDurableBeforeHelloOkAndFoundAgainByReturning) {
  const auto a = world_.attach("a");
  ASSERT_EQ(world_.store->attachments().size(), 1u);
  EXPECT_EQ(a.ok.origin_path, "/dev/origin");
  EXPECT_EQ(a.ok.store_uuid, world_.store->facts().uuid);
  world_.restart();
  ASSERT_EQ(world_.store->attachments().size(), 1u);
  EXPECT_EQ(world_.come_back(a).ok.attachment_id, a.ok.attachment_id);
}

TEST_F(VolumeTargets, ReturningUnderAnotherNameIsNotFound) {
  const auto a = world_.attach("a");
  world_.disconnect(a.session);
  HelloMessage stranger = world_.returning(a);
  stranger.target_uuid = Uuid::make(world_.random);
  const SessionId session = world_.connect();
  world_.send(session, stranger);
  EXPECT_EQ(world_.take_error(session).code, ErrorCode::kNotFound);
}

TEST_F(VolumeTargets, LostHelloOkDoesNotLeaveASecondAttachment) {
  const auto a = world_.attach("a");
  world_.disconnect(a.session);
  const SessionId session = world_.connect();
  world_.send(session, a.hello);  // not returning: it never saw its answer
  EXPECT_EQ(world_.take<HelloOkMessage>(session).attachment_id, a.ok.attachment_id);
  EXPECT_EQ(world_.store->attachments().size(), 1u);
}

TEST_F(VolumeTargets, NewerConnectionOfATargetReplacesTheOlder) {
  const auto a = world_.attach("a");
  const auto again = world_.come_back(a);
  EXPECT_TRUE(world_.closed.contains(a.session));
  EXPECT_FALSE(world_.closed.contains(again.session));
  world_.create_with({again.session}, "0");
}

TEST_F(VolumeTargets, OtherDevicesAndMixedModesAreRefused) {
  const auto refused = [&](HelloMessage hello) {
    const SessionId session = world_.connect();
    world_.send(session, hello);
    return world_.take_error(session).code;
  };
  HelloMessage hello = world_.hello_of("k");
  hello.is_kernel = true;
  hello.pair = VolumeHarness::default_config().pair;
  EXPECT_EQ(refused(hello), ErrorCode::kUsage);
  hello.is_kernel = false;
  hello.is_direct = true;
  EXPECT_EQ(refused(hello), ErrorCode::kUsage);
  hello.is_direct = false;
  hello.pair.origin.inode = 77;
  EXPECT_EQ(refused(hello), ErrorCode::kUsage);
  EXPECT_TRUE(world_.store->attachments().empty());
}

TEST_F(VolumeTargets, OnlyTargetsMayAskAndOnlyWhatFitsTheirRole) {
  const SessionId stranger = world_.connect();
  world_.send(stranger, PrepareWriteMessage{{{{0}, 1}}});
  EXPECT_EQ(world_.take_error(stranger).code, ErrorCode::kUsage);
  const auto a = world_.attach("a");
  world_.send(a.session, LocateMessage{{{{0}, 1}}});
  EXPECT_EQ(world_.take_error(a.session).code, ErrorCode::kUsage);
  world_.send(a.session, a.hello);
  EXPECT_EQ(world_.take_error(a.session).code, ErrorCode::kUsage);
}

TEST_F(VolumeTargets, WrongBodySizeAndUnknownTypeEndTheConnection) {
  const SessionId one = world_.connect();
  const std::vector<std::byte> long_body(600);
  world_.volume->on_message(one, MsgType::kHello, 1, long_body, world_.now);
  world_.volume->on_message(one, MsgType::kSnapshotList, 2, {}, world_.now);
  EXPECT_EQ(world_.volume->outbox().take_closes().size(), 2u);
}

TEST_F(VolumeTargets, SnapshotInUseByAnAbsentTargetIsNotDeleted) {  // timeline 4
  world_.create("0");
  const auto s = world_.attach("s", "0");
  world_.restart();  // the target is in its backoff and still has its places
  const SessionId client = world_.connect();
  world_.send(client, DeleteSnapshotMessage{.tag = "0"});
  const Error busy = world_.take_error(client);
  EXPECT_EQ(busy.code, ErrorCode::kBusy);
  EXPECT_EQ(busy.text, "snapshot 0 is in use by 1 target");
  world_.probe.set_gone("s");
  world_.send(client, DeleteSnapshotMessage{.tag = "0"});
  world_.take<OkMessage>(client);

  world_.create("0");  // the same tag, another snapshot
  const SessionId late = world_.connect();
  world_.send(late, world_.returning(s));
  EXPECT_EQ(world_.take_error(late).code, ErrorCode::kNotFound);
}

TEST_F(VolumeTargets, AbsentTargetsAreForgottenOnceTheyAreProvenGone) {
  const auto a = world_.attach("a");
  world_.disconnect(a.session);
  world_.wait_ms(10 * kProbeInterval_ms);
  EXPECT_EQ(world_.store->attachments().size(), 1u);
  world_.probe.set_gone("a");
  world_.wait_ms(kProbeInterval_ms);
  EXPECT_TRUE(world_.store->attachments().empty());
}

// ---- grants ----

TEST_F(VolumeTargets, WithoutSnapshotsTheWholeVolumeIsGranted) {
  const auto a = world_.attach("a");
  const auto grants = world_.ask(a.session, {{{5}, 1}});
  ASSERT_EQ(grants.size(), 1u);
  EXPECT_EQ(grants[0].ranges, (std::vector<ChunkRange>{{{0}, kChunks}}));
}

TEST_F(VolumeTargets, GrantedChunksNeedNoBatch) {
  const auto a = world_.attach("a");
  world_.create_with({a.session}, "0");
  world_.ask(a.session, {{{5}, 3}});
  const auto batches = world_.store->usage().batches;
  EXPECT_EQ(chunks_in(world_.ask(a.session, {{{5}, 3}})), 3u);
  EXPECT_EQ(world_.store->usage().batches, batches);
}

TEST_F(VolumeTargets, SameChunkAskedByTwoIsCopiedOnce) {
  const auto a = world_.attach("a");
  const auto b = world_.attach("b");
  world_.create_with({a.session, b.session}, "0");
  world_.send(a.session, PrepareWriteMessage{{{{9}, 1}}});
  world_.send(b.session, PrepareWriteMessage{{{{9}, 1}}});
  world_.run();
  EXPECT_TRUE(world_.take<GrantMessage>(a.session).is_last);
  EXPECT_TRUE(world_.take<GrantMessage>(b.session).is_last);
  EXPECT_EQ(world_.store->usage().first_writes, 1u);
}

TEST_F(VolumeTargets, LargeQuestionIsAnsweredInPartsOverSeveralBatches) {
  const auto a = world_.attach("a");
  world_.create_with({a.session}, "0");
  const auto grants = world_.ask(a.session, {{{0}, 1000}, {{1500}, 200}});
  EXPECT_GT(grants.size(), 1u);
  EXPECT_TRUE(grants.back().is_last);
  EXPECT_EQ(chunks_in(grants), 1200u);
}

TEST_F(VolumeTargets, SmallQuestionDoesNotWaitBehindALargeOne) {  // T7
  const auto a = world_.attach("a");
  const auto b = world_.attach("b");
  world_.create_with({a.session, b.session}, "0");
  world_.send(a.session, PrepareWriteMessage{{{{0}, 2000}}});
  world_.send(b.session, PrepareWriteMessage{{{{2001}, 1}}});
  world_.volume->run_batch(world_.now);
  bool has_b = false;
  bool has_finished_a = false;
  for (const auto& frame : world_.volume->outbox().take_frames()) {
    has_b |= frame.to == b.session;
    FrameBuffer buffer;
    buffer.feed(frame.bytes);
    const auto whole = buffer.next();
    has_finished_a |= frame.to == a.session && decode<GrantMessage>((*whole)->body)->is_last;
  }
  EXPECT_TRUE(has_b);
  EXPECT_FALSE(has_finished_a);
}

TEST_F(VolumeTargets, QuestionBeyondTheVolumeIsAnError) {
  const auto a = world_.attach("a");
  world_.send(a.session, PrepareWriteMessage{{{{kChunks}, 1}}});
  EXPECT_EQ(world_.take_error(a.session).code, ErrorCode::kUsage);
}

// ---- places ----

TEST_F(VolumeTargets, SnapshotKeepsWhatTheOriginWas) {
  const auto a = world_.attach("a");
  world_.write_chunk(3, 0x11);
  world_.create_with({a.session}, "0");
  const auto s = world_.attach("s", "0");
  EXPECT_EQ(world_.read_byte(s, 3), 0x11);
  EXPECT_TRUE(world_.overwrite(a.session, 3, 0x22));
  EXPECT_EQ(world_.read_byte(s, 3), 0x11);
  EXPECT_EQ(world_.locate(s.session, {{{4}, 1}})[0].place, Place::kOrigin);
}

TEST_F(VolumeTargets, PlacesComeInParts) {
  world_.create("0");
  const auto s = world_.attach("s", "0");
  const auto entries = world_.locate(s.session, {{{0}, 1500}, {{1500}, 548}});
  EXPECT_EQ(entries.size(), 2048u);
  EXPECT_TRUE(std::ranges::is_sorted(entries, {}, &LocatedEntry::chunk));
  EXPECT_EQ(world_.locate(s.session, {{{kChunks}, 1}})[0].place, Place::kNowhere);
}

TEST_F(VolumeTargets, OtherTargetForgetsTheOldPlaceBeforeAPrivateWriteIsAllowed) {  // timeline 14
  const auto o = world_.attach("o");
  world_.write_chunk(1, 0x11);
  world_.create_with({o.session}, "0");
  world_.overwrite(o.session, 1, 0x22);
  const auto a = world_.attach("a", "0");
  const auto b = world_.attach("b", "0");
  world_.locate(b.session, {{{1}, 1}});
  world_.send(a.session, PrepareSnapshotWriteMessage{{{{1}, 1}}});
  world_.run();
  const auto own = world_.take<InvalidateMessage>(a.session);
  world_.send(a.session, InvalidateAckMessage{own.number});
  EXPECT_FALSE(world_.has_message(a.session)) << "b may still read the old place";
  const auto invalidate = world_.take<InvalidateMessage>(b.session);
  EXPECT_EQ(invalidate.ranges, (std::vector<ChunkRange>{{{1}, 1}}));
  // Nor may a second question for the same chunk slip through.
  world_.send(a.session, PrepareSnapshotWriteMessage{{{{1}, 1}}});
  world_.run();
  EXPECT_FALSE(world_.has_message(a.session));
  world_.send(b.session, InvalidateAckMessage{invalidate.number});
  world_.run();
  const auto entries = world_.take_located(a.session);
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].place, Place::kPrivate);
  EXPECT_EQ(world_.take_located(a.session)[0].slot, entries[0].slot);
  EXPECT_EQ(world_.read_byte(b, 1), 0x11) << "the private copy starts as the snapshot was";
}

// The whole-volume simulation found it (seed 1204): the asker, late to read its answer, went on
// with the old place while another target had found the new one and written there.
TEST_F(VolumeTargets, AskerForgetsTheOldPlaceBeforeAnyoneLearnsTheNewOne) {
  world_.create("0");
  const auto a = world_.attach("a", "0");
  const auto b = world_.attach("b", "0");
  world_.send(a.session, PrepareSnapshotWriteMessage{{{{1}, 1}}});
  world_.run();
  world_.send(b.session, InvalidateAckMessage{world_.take<InvalidateMessage>(b.session).number});
  world_.send(b.session, LocateMessage{{{{1}, 1}}});
  world_.run();
  EXPECT_FALSE(world_.has_message(b.session)) << "a may still read the old place";
  world_.send(a.session, InvalidateAckMessage{world_.take<InvalidateMessage>(a.session).number});
  world_.run();
  EXPECT_EQ(world_.take_located(a.session)[0].place, Place::kPrivate);
  EXPECT_EQ(world_.take_located(b.session)[0].place, Place::kPrivate);
}

// So did the simulation this (seed 1031, targets that stall): alone with its snapshot the asker
// needs no order, but a second target comes before it has read its answer.
TEST_F(VolumeTargets, NewcomerLearnsNoPlaceThatItsElderMayNotHaveReadOf) {
  world_.create("0");
  const auto a = world_.attach("a", "0");
  world_.send(a.session, PrepareSnapshotWriteMessage{{{{1}, 1}}});
  world_.run();
  EXPECT_EQ(world_.take_located(a.session)[0].place, Place::kPrivate);  // sent, that is
  const auto b = world_.attach("b", "0");
  world_.send(b.session, LocateMessage{{{{1}, 1}}});
  world_.run();
  EXPECT_FALSE(world_.has_message(b.session)) << "a may still read the old place";
  world_.send(a.session, InvalidateAckMessage{world_.take<InvalidateMessage>(a.session).number});
  world_.run();
  EXPECT_EQ(world_.take_located(b.session)[0].place, Place::kPrivate);
  const auto c = world_.attach("c", "0");
  EXPECT_FALSE(world_.has_message(a.session)) << "it has read everything";
}

TEST_F(VolumeTargets, ElderThatStaysSilentIsCutOff) {
  world_.create("0");
  const auto a = world_.attach("a", "0");
  world_.send(a.session, PrepareSnapshotWriteMessage{{{{1}, 1}}});
  world_.run();
  const auto b = world_.attach("b", "0");
  world_.send(b.session, LocateMessage{{{{1}, 1}}});
  world_.wait_ms(kInvalidateDeadline_ms);
  EXPECT_TRUE(world_.closed.contains(a.session));
  EXPECT_EQ(world_.take_located(b.session)[0].place, Place::kPrivate);
}

TEST_F(VolumeTargets, TargetThatDoesNotForgetIsCutOff) {
  world_.create("0");
  const auto a = world_.attach("a", "0");
  const auto b = world_.attach("b", "0");
  world_.send(a.session, PrepareSnapshotWriteMessage{{{{1}, 1}}});
  world_.run();
  world_.send(a.session, InvalidateAckMessage{world_.take<InvalidateMessage>(a.session).number});
  world_.wait_ms(kInvalidateDeadline_ms);
  EXPECT_TRUE(world_.closed.contains(b.session));
  EXPECT_EQ(world_.take_located(a.session)[0].place, Place::kPrivate);
}

TEST_F(VolumeTargets, HeldSessionGetsNoPlacesUntilItTakesThem) {
  world_.create("0");
  const auto s = world_.attach("s", "0");
  world_.volume->hold_answers(s.session, true);
  world_.send(s.session, LocateMessage{{{{0}, 1}}});
  world_.run();
  EXPECT_FALSE(world_.has_message(s.session));
  world_.volume->hold_answers(s.session, false);
  world_.run();
  EXPECT_EQ(world_.take_located(s.session).size(), 1u);
}

}  // namespace
}  // namespace ddsnap::test
