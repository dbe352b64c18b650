// A full snapstore (DESIGN section 3): who is given up and in which order, what happens to targets
// of the victims, and what failure the writers see in the end. Real store on memory devices that
// are too small. Timelines 20, 21, 27; S10.
#include "tests/support/volume_harness.h"

namespace ddsnap::test {
namespace {

constexpr std::uint64_t kChunks = 8192;
constexpr std::uint64_t kStoreBytes = 8u << 20;  // fewer slots than the origin has chunks

class VolumeFullStore : public ::testing::Test {
 protected:
  VolumeFullStore() {
    EXPECT_LT(world_.store->facts().slots_total, kChunks - 600);
    target_ = world_.attach("o");
    // Content everywhere: zero chunks take no slot.
    for (std::uint32_t chunk = 0; chunk < kChunks; ++chunk) world_.write_chunk(chunk, 0xaa);
  }
  void create(const std::string& tag, std::int8_t priority = 0) {
    world_.create_with({target_.session}, tag);
    const SessionId client = world_.connect();
    world_.send(client, SetPriorityMessage{tag, priority});
    world_.take<OkMessage>(client);
    world_.disconnect(client);
  }
  // Copies out `count` chunks. Returns how many were granted.
  std::uint64_t overwrite(std::uint32_t first, std::uint32_t count) {
    std::uint64_t granted = 0;
    for (const GrantMessage& part : world_.ask(target_.session, {{{first}, count}}))
      for (const ChunkRange range : part.ranges)
        if (part.result_errno == 0) {
          granted += range.count;
        } else {
          EXPECT_EQ(part.result_errno, ENOSPC);
        }
    return granted;
  }
  std::uint32_t free_slots() const {
    return static_cast<std::uint32_t>(world_.store->usage().slots_free);
  }
  BoundaryKind kind(const std::string& tag) const {
    const auto found = world_.store->find(tag);
    return found ? found->kind : BoundaryKind::kBookmark;
  }

  VolumeHarness world_{kChunks, kStoreBytes};
  VolumeHarness::Target target_;
};

TEST_F(VolumeFullStore, LowestPriorityThenOldestIsDropped) {
  create("old", 5);
  overwrite(0, 100);
  create("low", 1);
  overwrite(100, 100);
  create("new", 5);
  const std::uint32_t free = free_slots();
  EXPECT_EQ(overwrite(200, free), free);
  EXPECT_EQ(kind("low"), BoundaryKind::kLive);
  EXPECT_EQ(overwrite(200 + free, 10), 10u);
  // "low" frees nothing before "old" has gone: old still reads low's copies (timeline 27).
  const std::uint64_t live = (kind("old") == BoundaryKind::kLive) +
                             (kind("low") == BoundaryKind::kLive) +
                             (kind("new") == BoundaryKind::kLive);
  EXPECT_EQ(live, 2u);
  EXPECT_EQ(kind("old"), BoundaryKind::kDropped);
}

TEST_F(VolumeFullStore, VictimThatFreesNothingIsSpared) {  // timeline 27
  create("a", 9);
  overwrite(0, 100);
  create("b", 1);  // lowest, but what was copied for it serves a
  overwrite(100, free_slots());
  EXPECT_EQ(world_.store->slots_freed_by_removing(world_.store->find("b")->epoch), 0u);
  EXPECT_EQ(overwrite(7000, 10), 10u);
  EXPECT_EQ(kind("b"), BoundaryKind::kLive);
  EXPECT_EQ(kind("a"), BoundaryKind::kDropped);
}

TEST_F(VolumeFullStore, UnusedOnesGoFirst) {
  create("used", 0);
  const SessionId client = world_.connect();
  world_.send(client, AddUseCountMessage{"used", 1});
  world_.take<UseCountMessage>(client);
  overwrite(0, 100);
  create("unused", 100);
  overwrite(0, 100);  // the same chunks again: dropping "unused" frees them
  overwrite(100, free_slots());
  EXPECT_EQ(overwrite(7000, 50), 50u);
  EXPECT_EQ(kind("used"), BoundaryKind::kLive);
  EXPECT_EQ(kind("unused"), BoundaryKind::kDropped);
}

TEST_F(VolumeFullStore, Priority127IsNeverDroppedAndWritesFailWithEnospc) {
  create("keep", 127);
  const std::uint32_t free = free_slots();
  EXPECT_EQ(overwrite(0, free), free);
  EXPECT_EQ(overwrite(free, 10), 0u);
  EXPECT_EQ(kind("keep"), BoundaryKind::kLive);
  // What was granted before goes on.
  EXPECT_EQ(overwrite(0, 10), 10u);
}

TEST_F(VolumeFullStore, TargetOfAVictimIsToldAndWaitedFor) {
  create("0");
  const auto s = world_.attach("s", "0");
  overwrite(0, free_slots());
  world_.send(target_.session, PrepareWriteMessage{{{{7000}, 1}}});
  world_.run();
  world_.take<DroppedMessage>(s.session);
  EXPECT_FALSE(world_.has_message(target_.session));
  EXPECT_TRUE(world_.store->find("0")->is_dropping);
  EXPECT_EQ(world_.locate(s.session, {{{0}, 1}})[0].result_errno, EIO);
  world_.send(s.session, DroppedAckMessage{});
  world_.run();
  EXPECT_EQ(world_.take_grants(target_.session).back().result_errno, 0);
  EXPECT_EQ(kind("0"), BoundaryKind::kDropped);
}

TEST_F(VolumeFullStore, StoppedTargetDelaysWritersOnlySoLongAndItsSlotsStayQuarantined) {
  create("0");  // timeline 20
  const auto s = world_.attach("s", "0");
  overwrite(0, free_slots());
  world_.send(target_.session, PrepareWriteMessage{{{{7000}, 1}}});
  world_.run();
  world_.take<DroppedMessage>(s.session);
  world_.wait_ms(kDropDeadline_ms);
  EXPECT_EQ(world_.take_grants(target_.session).back().result_errno, ENOSPC);
  EXPECT_EQ(free_slots(), 0u) << "a slot that the target may read was freed";
  // Once it is gone its slots come back.
  world_.disconnect(s.session);
  world_.probe.set_gone("s");
  world_.wait_ms(kProbeInterval_ms);
  EXPECT_EQ(kind("0"), BoundaryKind::kDropped);
  EXPECT_EQ(overwrite(7000, 1), 1u);
}

TEST_F(VolumeFullStore, AbsentTargetOfAVictimIsNotWaitedForButLearnsOnReturn) {
  create("0");
  const auto s = world_.attach("s", "0");
  world_.disconnect(s.session);
  overwrite(0, free_slots());
  EXPECT_EQ(overwrite(7000, 1), 0u);
  world_.restart();
  target_ = world_.come_back(target_);
  EXPECT_TRUE(world_.store->find("0")->is_dropping);
  const auto back = world_.come_back(s);
  world_.take<DroppedMessage>(back.session);
  world_.send(back.session, DroppedAckMessage{});
  world_.run();
  EXPECT_EQ(kind("0"), BoundaryKind::kDropped);
  EXPECT_EQ(overwrite(7000, 1), 1u);
}

// The whole-volume simulation found it (seed 177): the policy went on with a victim that its user
// had given up meanwhile, and made "dropped" of a bookmark.
TEST_F(VolumeFullStore, VictimThatItsUserGivesUpMeanwhileStaysABookmark) {
  create("0");
  const auto s = world_.attach("s", "0");
  overwrite(0, free_slots());
  world_.send(target_.session, PrepareWriteMessage{{{{7000}, 1}}});
  world_.run();
  world_.take<DroppedMessage>(s.session);
  world_.send(s.session, DetachMessage{});
  const SessionId client = world_.connect();
  world_.send(client, DeleteSnapshotMessage{.tag = "0", .keep_bookmark = true});
  world_.take<OkMessage>(client);
  world_.run();
  EXPECT_EQ(world_.take_grants(target_.session).back().result_errno, 0);
  EXPECT_EQ(world_.store->find("0")->kind, BoundaryKind::kBookmark);
}

// The simulation found it (seed 1013): nobody came back to a victim whose removal a crash had cut
// off after its last target had gone.
TEST_F(VolumeFullStore, VictimWithoutTargetsIsFinishedAfterARestart) {
  create("0");
  overwrite(0, 10);
  ASSERT_TRUE(world_.store->mark_dropping(world_.store->find("0")->epoch));
  world_.restart();
  target_ = world_.come_back(target_);
  world_.wait_ms(kProbeInterval_ms);
  EXPECT_EQ(kind("0"), BoundaryKind::kDropped);
}

// ---- nearly full ----

TEST_F(VolumeFullStore, NearlyFullIsToldOnceAtEachShareAndInStatus) {
  const auto count_lines = [&] {
    return std::ranges::count_if(world_.log.lines(), [](const std::string& line) {
      return line.find("% of the snapstore's room for chunks is used") != std::string::npos;
    });
  };
  ASSERT_TRUE(world_.store->set_settings({.warn_percent = {50, 90}}));
  create("0", 127);
  const auto total = static_cast<std::uint32_t>(world_.store->facts().slots_total);
  overwrite(0, total * 45 / 100);
  EXPECT_EQ(count_lines(), 0);
  overwrite(total * 45 / 100, total * 10 / 100);
  EXPECT_EQ(count_lines(), 1);
  overwrite(total * 55 / 100, total * 10 / 100);
  EXPECT_EQ(count_lines(), 1) << "told once";
  const SessionId client = world_.connect();
  world_.send(client, GetStatusMessage{});
  const auto status = world_.take<ServerStatusMessage>(client);
  EXPECT_EQ(status.warn_percent, (std::array<std::uint8_t, 2>{50, 90}));
  ASSERT_EQ(status.warnings.size(), 1u);
  EXPECT_NE(status.warnings[0].find("room for chunks"), std::string::npos) << status.warnings[0];
  overwrite(total * 65 / 100, total * 30 / 100);
  EXPECT_EQ(count_lines(), 2);
  world_.send(client, DeleteSnapshotMessage{"0"});
  world_.take<OkMessage>(client);
  while (world_.store->has_background_work()) ASSERT_TRUE(world_.store->background_step());
  create("1", 127);
  overwrite(0, total * 55 / 100);
  EXPECT_EQ(count_lines(), 3) << "forgotten when the use fell";
}

TEST_F(VolumeFullStore, SharesToWarnAtAreKeptInTheStore) {
  ASSERT_TRUE(world_.store->set_settings({.warn_percent = {0, 0}}));
  world_.restart();
  EXPECT_EQ(world_.store->settings().warn_percent, (std::array<std::uint8_t, 2>{0, 0}));
  target_ = world_.come_back(target_);
  create("0", 127);
  overwrite(0, free_slots());
  EXPECT_TRUE(std::ranges::none_of(world_.log.lines(), [](const std::string& line) {
    return line.find("% of the snapstore") != std::string::npos;
  }));
}

// ---- what a dropped snapshot still is ----

TEST_F(VolumeFullStore, DroppedSnapshotIsABookmarkThatListsBeginAt) {
  create("0");
  overwrite(0, free_slots());
  overwrite(7000, 1);
  ASSERT_EQ(kind("0"), BoundaryKind::kDropped);
  const auto changed = world_.store->changed(world_.store->find("0")->epoch, {});
  ASSERT_TRUE(changed) << changed.error().message();
  const SessionId client = world_.connect();
  world_.send(client, GetChangelistMessage{.from_tag = "0", .to_tag = "now"});
  world_.run();
  const auto part = world_.take<ChangelistPartMessage>(client);
  EXPECT_EQ(part.entries[0].chunk, ChunkNr{0});
  EXPECT_TRUE(changed->contains(7000));
}

TEST_F(VolumeFullStore, DroppedOneCanBeDeletedAndItsTagUsedAgain) {
  create("0");
  overwrite(0, free_slots());
  overwrite(7000, 1);
  const SessionId client = world_.connect();
  world_.send(client, DeleteSnapshotMessage{"0"});
  world_.take<OkMessage>(client);
  create("0");
  EXPECT_EQ(kind("0"), BoundaryKind::kLive);
}

// Found by soaking a store that is filled again and again: its dropped snapshots, bookmarks now,
// took all the room that metadata has, and the next create was refused.
TEST_F(VolumeFullStore, OldestBookmarksMakeRoomForASnapshot) {
  constexpr int kCreates = 1000;
  for (int i = 0; i < kCreates; ++i) {
    create(fmt::format("s{}", i));
    EXPECT_EQ(overwrite(static_cast<std::uint32_t>(i), 1), 1u);
    const SessionId client = world_.connect();
    world_.send(client, DeleteSnapshotMessage{.tag = fmt::format("s{}", i), .keep_bookmark = true});
    world_.take<OkMessage>(client);
    world_.disconnect(client);
  }
  EXPECT_FALSE(world_.store->find("s0").has_value()) << "nothing was short: nothing is shown";
  EXPECT_TRUE(world_.store->find(fmt::format("s{}", kCreates - 1)).has_value());
}

TEST_F(VolumeFullStore, InUseOnesAreGivenUpLastWhateverTheirPriority) {
  create("busy", -128);
  const auto s = world_.attach("s", "busy");
  overwrite(0, 100);
  create("unused", 126);
  overwrite(0, 100);  // the same chunks again, so that dropping "unused" frees them
  overwrite(100, free_slots());
  EXPECT_EQ(overwrite(7000, 10), 10u);
  EXPECT_EQ(kind("busy"), BoundaryKind::kLive);
  EXPECT_EQ(kind("unused"), BoundaryKind::kDropped);
  EXPECT_FALSE(world_.has_message(s.session));
}

TEST_F(VolumeFullStore, PrivateWritesGetEnospcAndEvictNothing) {
  create("other");
  create("0");
  const auto s = world_.attach("s", "0");
  overwrite(0, free_slots());
  world_.send(s.session, PrepareSnapshotWriteMessage{{{{7000}, 1}}});
  world_.run();
  const auto entries = world_.take_located(s.session);
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].place, Place::kNowhere);
  EXPECT_EQ(entries[0].result_errno, ENOSPC);
  EXPECT_EQ(kind("other"), BoundaryKind::kLive);
}

}  // namespace
}  // namespace ddsnap::test
