// Snapshots as one instant (T2) and retries (S6): the barrier with targets that are late, gone,
// lost or coming, over a real store on memory devices; and barriers that a client holds. Timelines
// 3, 6, 19, 22, 23.
#include "tests/support/volume_harness.h"

namespace ddsnap::test {
namespace {

constexpr std::uint64_t kChunks = 256;
constexpr std::uint64_t kStoreBytes = 16u << 20;

class VolumeBarrier : public ::testing::Test {
 protected:
  VolumeHarness world_{kChunks, kStoreBytes};
};

TEST_F(VolumeBarrier, WithoutTargetsASnapshotIsMadeAtOnceAfterAFlush) {
  const int before = world_.origin.flush_count;
  world_.create("0");
  EXPECT_EQ(world_.origin.flush_count, before + 1);
  ASSERT_TRUE(world_.store->find("0"));
  EXPECT_EQ(world_.store->find("0")->created_ns, world_.now.wall_ns);
}

TEST_F(VolumeBarrier, SnapshotIsMadeOnceEveryTargetHasStoppedAndTheOriginIsFlushed) {
  const auto a = world_.attach("a");
  const auto b = world_.attach("b");
  const SessionId client = world_.connect();
  const int flushes = world_.origin.flush_count;
  world_.send(client, world_.create_message("0"));
  world_.run();
  const auto number = world_.take<BarrierMessage>(a.session).number;
  EXPECT_EQ(world_.take<BarrierMessage>(b.session).number, number);
  world_.send(a.session, BarrierAckMessage{number});
  EXPECT_FALSE(world_.store->find("0"));
  EXPECT_EQ(world_.origin.flush_count, flushes);
  world_.send(b.session, BarrierAckMessage{number});
  ASSERT_TRUE(world_.store->find("0"));
  EXPECT_EQ(world_.origin.flush_count, flushes + 1);
  for (const SessionId target : {a.session, b.session}) {
    const auto release = world_.take<ReleaseMessage>(target);
    EXPECT_EQ(release.number, number);
    EXPECT_EQ(release.epoch, world_.store->find("0")->epoch);
  }
  world_.take<OkMessage>(client);
}

TEST_F(VolumeBarrier, FailedFlushOfTheOriginFailsTheCreate) {  // timeline 3
  const auto a = world_.attach("a");
  const SessionId client = world_.connect();
  world_.send(client, world_.create_message("0"));
  world_.run();
  const auto number = world_.take<BarrierMessage>(a.session).number;
  world_.origin.must_fail = true;
  world_.send(a.session, BarrierAckMessage{number});
  EXPECT_EQ(world_.take_error(client).code, ErrorCode::kIo);
  EXPECT_EQ(world_.take<ReleaseMessage>(a.session).epoch, a.ok.epoch);
  EXPECT_FALSE(world_.store->find("0"));
}

TEST_F(VolumeBarrier, LateAckOfAnAbortedBarrierDoesNotCountForTheNext) {  // timeline 6a
  const auto a = world_.attach("a");
  const auto b = world_.attach("b");
  const SessionId client = world_.connect();
  world_.send(client, world_.create_message("0"));
  world_.run();
  const auto first = world_.take<BarrierMessage>(a.session).number;
  world_.take<BarrierMessage>(b.session);
  world_.send(b.session, BarrierAckMessage{first});
  world_.wait_ms(kBarrierDeadline_ms);
  const Error late = world_.take_error(client);
  EXPECT_EQ(late.code, ErrorCode::kBusy);
  EXPECT_NE(late.text.find("target a"), std::string::npos) << late.text;
  EXPECT_EQ(world_.take<ReleaseMessage>(a.session).epoch, a.ok.epoch);
  world_.take<ReleaseMessage>(b.session);

  world_.send(client, world_.create_message("0"));
  world_.run();
  const auto second = world_.take<BarrierMessage>(a.session).number;
  EXPECT_NE(second, first);
  world_.send(b.session, BarrierAckMessage{second});
  world_.send(a.session, BarrierAckMessage{first});
  EXPECT_FALSE(world_.store->find("0")) << "a writes again, and its old answer counted";
  world_.send(a.session, BarrierAckMessage{second});
  EXPECT_TRUE(world_.store->find("0"));
}

TEST_F(VolumeBarrier, NothingIsGrantedBetweenBarrierAndRelease) {  // timeline 6b
  const auto a = world_.attach("a");
  world_.create_with({a.session}, "0");
  const SessionId client = world_.connect();
  world_.send(client, world_.create_message("1"));
  world_.run();
  const auto number = world_.take<BarrierMessage>(a.session).number;
  world_.send(a.session, PrepareWriteMessage{{{{7}, 1}}});
  world_.run();
  EXPECT_FALSE(world_.has_message(a.session));
  world_.send(a.session, BarrierAckMessage{number});
  world_.run();
  const Epoch epoch = world_.take<ReleaseMessage>(a.session).epoch;
  EXPECT_EQ(world_.take<GrantMessage>(a.session).epoch, epoch);
  EXPECT_EQ(epoch, world_.store->find("1")->epoch);
}

TEST_F(VolumeBarrier, AttachingWaitsForTheEndOfTheBarrier) {  // timeline 6c
  const auto a = world_.attach("a");
  const SessionId client = world_.connect();
  world_.send(client, world_.create_message("0"));
  world_.run();
  const auto number = world_.take<BarrierMessage>(a.session).number;
  const SessionId c = world_.connect();
  world_.send(c, world_.hello_of("c"));
  world_.run();
  EXPECT_FALSE(world_.has_message(c));
  EXPECT_EQ(world_.store->attachments().size(), 1u);
  world_.send(a.session, BarrierAckMessage{number});
  world_.run();
  EXPECT_EQ(world_.take<HelloOkMessage>(c).epoch, world_.store->find("0")->epoch);
}

TEST_F(VolumeBarrier, LosingATargetDuringTheBarrierAbortsItAndReleasesTheOthers) {
  const auto a = world_.attach("a");
  const auto b = world_.attach("b");
  const SessionId client = world_.connect();
  world_.send(client, world_.create_message("0"));
  world_.run();
  const auto number = world_.take<BarrierMessage>(b.session).number;
  world_.send(b.session, BarrierAckMessage{number});
  world_.disconnect(a.session);
  EXPECT_EQ(world_.take_error(client).code, ErrorCode::kBusy);
  EXPECT_EQ(world_.take<ReleaseMessage>(b.session).epoch, b.ok.epoch);
  EXPECT_FALSE(world_.store->find("0"));
}

TEST_F(VolumeBarrier, DetachingDuringTheBarrierCompletesIt) {
  const auto a = world_.attach("a");
  const SessionId client = world_.connect();
  world_.send(client, world_.create_message("0"));
  world_.run();
  world_.take<BarrierMessage>(a.session);
  world_.send(a.session, DetachMessage{});
  world_.take<OkMessage>(a.session);
  world_.take<OkMessage>(client);
  EXPECT_TRUE(world_.store->find("0"));
}

TEST_F(VolumeBarrier, CreateGoesOnWhenItsClientHasGone) {
  const auto a = world_.attach("a");
  const SessionId client = world_.connect();
  world_.send(client, world_.create_message("0"));
  world_.run();
  const auto number = world_.take<BarrierMessage>(a.session).number;
  world_.disconnect(client);
  world_.send(a.session, BarrierAckMessage{number});
  EXPECT_TRUE(world_.store->find("0"));
}

TEST_F(VolumeBarrier, AbsentOriginTargetMakesCreateBusyUntilItIsGoneOrForced) {  // timeline 19
  const auto a = world_.attach("a");
  world_.disconnect(a.session);
  const SessionId client = world_.connect();
  world_.send(client, world_.create_message("0"));
  world_.run();
  const Error busy = world_.take_error(client);
  EXPECT_EQ(busy.code, ErrorCode::kBusy);
  EXPECT_NE(busy.text.find("target a"), std::string::npos) << busy.text;

  world_.probe.set_gone("a");
  world_.send(client, world_.create_message("0"));
  world_.run();
  world_.take<OkMessage>(client);
  EXPECT_TRUE(world_.store->attachments().empty());

  const auto b = world_.attach("b");
  world_.disconnect(b.session);
  world_.send(client, ForceDetachMessage{"b"});
  world_.take<OkMessage>(client);
  world_.send(client, world_.create_message("1"));
  world_.run();
  world_.take<OkMessage>(client);
  world_.send(client, ForceDetachMessage{"b"});
  EXPECT_EQ(world_.take_error(client).code, ErrorCode::kNotFound);
}

TEST_F(VolumeBarrier, AbsenceOutlivesTheServer) {
  const auto a = world_.attach("a");
  world_.restart();
  const SessionId client = world_.connect();
  world_.send(client, world_.create_message("0"));
  world_.run();
  EXPECT_EQ(world_.take_error(client).code, ErrorCode::kBusy);
  const auto back = world_.come_back(a);
  EXPECT_EQ(back.ok.attachment_id, a.ok.attachment_id);
  world_.create_with({back.session}, "0");
}

TEST_F(VolumeBarrier, SameUuidTwiceIsOneSnapshot) {  // S6
  const SessionId client = world_.connect();
  const auto message = world_.create_message("0");
  world_.send(client, message);
  world_.run();
  world_.take<OkMessage>(client);
  world_.restart();
  const SessionId retry = world_.connect();
  world_.send(retry, message);
  world_.run();
  world_.take<OkMessage>(retry);
  EXPECT_EQ(world_.store->boundary_count(), 1u);

  world_.send(retry, world_.create_message("0"));
  world_.run();
  const Error taken = world_.take_error(retry);
  EXPECT_EQ(taken.code, ErrorCode::kExists);
  EXPECT_EQ(taken.text, "snapshot 0 already exists");
}

TEST_F(VolumeBarrier, QueuedCreatesComeOneAfterTheOther) {
  const auto a = world_.attach("a");
  const SessionId client = world_.connect();
  world_.send(client, world_.create_message("0"));
  world_.send(client, world_.create_message("1"));
  world_.run();
  for (const char* tag : {"0", "1"}) {
    const auto number = world_.take<BarrierMessage>(a.session).number;
    world_.send(a.session, BarrierAckMessage{number});
    world_.run();
    EXPECT_EQ(world_.take<ReleaseMessage>(a.session).epoch, world_.store->find(tag)->epoch);
    world_.take<OkMessage>(client);
  }
}

TEST_F(VolumeBarrier, DeletingTheNewestSnapshotDoesNotLowerTheEpochOfGrants) {  // timeline 22
  const auto a = world_.attach("a");
  world_.create_with({a.session}, "3");
  world_.create_with({a.session}, "5");
  const Epoch newest = world_.store->find("5")->epoch;
  const SessionId client = world_.connect();
  world_.send(client, DeleteSnapshotMessage{.tag = "5"});
  world_.take<OkMessage>(client);
  EXPECT_EQ(world_.ask(a.session, {{{1}, 1}}).back().epoch, newest);
}

// ---- a barrier that is held, so that several volumes have one instant ----

class VolumeHold : public VolumeBarrier {
 protected:
  // Prepared by `client` and acknowledged by the target.
  CreateSnapshotMessage hold(SessionId client, SessionId target, const std::string& tag) {
    const CreateSnapshotMessage request = world_.create_message(tag);
    world_.send(client, PrepareSnapshotMessage{kHold_ms, request});
    world_.run();
    world_.send(target, BarrierAckMessage{world_.take<BarrierMessage>(target).number});
    world_.take<OkMessage>(client);
    return request;
  }
  // What is asked for is not granted: the target is held.
  void expect_held(SessionId target) {
    world_.send(target, PrepareWriteMessage{{{{3}, 1}}});
    world_.run();
    EXPECT_FALSE(world_.has_message(target));
  }
  void expect_released(const VolumeHarness::Target& target) {
    EXPECT_EQ(world_.take<ReleaseMessage>(target.session).epoch, target.ok.epoch);
    EXPECT_EQ(world_.take_grants(target.session).back().result_errno, 0);
  }

  static constexpr std::uint32_t kHold_ms = 5000;
  VolumeHarness::Target target_ = world_.attach("a");
  SessionId client_ = world_.connect();
};

TEST_F(VolumeHold, IsCommittedByItsClientAndASecondCommitSaysSo) {
  const int flushes = world_.origin.flush_count;
  const auto request = hold(client_, target_.session, "0");
  EXPECT_EQ(world_.origin.flush_count, flushes + 1);
  EXPECT_FALSE(world_.store->find("0"));
  expect_held(target_.session);
  const SessionId other = world_.connect();
  world_.send(other, CommitSnapshotMessage{request.uuid});
  EXPECT_EQ(world_.take_error(other).code, ErrorCode::kBusy);

  world_.send(client_, CommitSnapshotMessage{request.uuid});
  world_.run();
  world_.take<OkMessage>(client_);
  ASSERT_TRUE(world_.store->find("0"));
  EXPECT_EQ(world_.take<ReleaseMessage>(target_.session).epoch, world_.store->find("0")->epoch);
  world_.send(other, CommitSnapshotMessage{request.uuid});  // S6
  world_.take<OkMessage>(other);
  world_.send(other, AbortSnapshotMessage{request.uuid});
  EXPECT_EQ(world_.take_error(other).code, ErrorCode::kExists);
}

TEST_F(VolumeHold, EndsWithItsClientsConnection) {
  const auto request = hold(client_, target_.session, "0");
  expect_held(target_.session);
  world_.disconnect(client_);
  world_.run();
  expect_released(target_);
  const SessionId other = world_.connect();
  world_.send(other, CommitSnapshotMessage{request.uuid});
  EXPECT_EQ(world_.take_error(other).code, ErrorCode::kBusy);
  EXPECT_FALSE(world_.store->find("0"));
}

TEST_F(VolumeHold, EndsWithItsTime) {
  const auto request = hold(client_, target_.session, "0");
  expect_held(target_.session);
  world_.wait_ms(kHold_ms - 1);
  EXPECT_FALSE(world_.has_message(target_.session));
  world_.wait_ms(1);
  expect_released(target_);
  EXPECT_FALSE(world_.has_message(client_));
  world_.send(client_, CommitSnapshotMessage{request.uuid});
  EXPECT_EQ(world_.take_error(client_).code, ErrorCode::kBusy);
}

TEST_F(VolumeHold, EndsWithATargetThatIsLost) {
  const auto request = hold(client_, target_.session, "0");
  world_.disconnect(target_.session);
  world_.run();
  world_.send(client_, CommitSnapshotMessage{request.uuid});
  EXPECT_EQ(world_.take_error(client_).code, ErrorCode::kBusy);
}

TEST_F(VolumeHold, IsGivenUpByItsClientAndTheNextOneFollows) {
  const auto request = hold(client_, target_.session, "0");
  expect_held(target_.session);
  const SessionId next = world_.connect();
  world_.send(next, world_.create_message("1"));
  world_.run();
  EXPECT_FALSE(world_.has_message(next));
  world_.send(client_, AbortSnapshotMessage{request.uuid});
  world_.take<OkMessage>(client_);
  world_.take<ReleaseMessage>(target_.session);
  world_.run();
  while (world_.inbox[target_.session].front().header.type != MsgType::kBarrier)
    world_.inbox[target_.session].pop_front();  // the grant of what was parked
  const auto number = world_.take<BarrierMessage>(target_.session).number;
  world_.send(target_.session, BarrierAckMessage{number});
  world_.take<OkMessage>(next);
  EXPECT_FALSE(world_.store->find("0"));
  EXPECT_TRUE(world_.store->find("1"));
}

TEST_F(VolumeHold, AQueuedOneGoesWithItsClientAndALateTargetWithTheTime) {
  const auto request = hold(client_, target_.session, "0");
  const SessionId queued = world_.connect();
  world_.send(queued, PrepareSnapshotMessage{kHold_ms, world_.create_message("1")});
  world_.run();
  world_.disconnect(queued);
  world_.send(client_, CommitSnapshotMessage{request.uuid});
  world_.run();
  world_.take<OkMessage>(client_);
  world_.take<ReleaseMessage>(target_.session);
  EXPECT_FALSE(world_.has_message(target_.session));

  world_.send(client_, PrepareSnapshotMessage{kHold_ms, world_.create_message("2")});
  world_.run();
  world_.take<BarrierMessage>(target_.session);
  world_.wait_ms(kHold_ms);
  EXPECT_EQ(world_.take_error(client_).code, ErrorCode::kBusy);
  world_.take<ReleaseMessage>(target_.session);
}

}  // namespace
}  // namespace ddsnap::test
