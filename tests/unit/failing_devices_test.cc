// Failing devices (S10), cell by cell as in the table of server/store/SNAPSTORE.md, section 8: what
// each failure means for the write that met it, for the snapshots, and for what comes later.
#include "tests/support/failing_devices.h"

namespace ddsnap::test {
namespace {

// ---- the origin ----

TEST_F(FailingDevices, UnreadableOriginChunkIsLostInTheSnapshotsAndGranted) {
  create("0");
  world_.faulty_origin.inject(
      {.op = DeviceOp::kRead, .range = ByteRange{3 * kChunkBytes, 512}, .is_forever = true});
  EXPECT_EQ(overwrite(3), 0);
  EXPECT_EQ(overwrite(4), 0);
  EXPECT_EQ(unreadable_chunks("0"), 1u);
  EXPECT_EQ(rung(), 0u) << "the store has no fault";
  EXPECT_EQ(status().lost_chunks, 1u);
  EXPECT_TRUE(has_log("chunk 3 of the origin cannot be read"));
  world_.faulty_origin.heal();
  create("1");
  EXPECT_EQ(overwrite(3), 0);
  EXPECT_EQ(unreadable_chunks("1"), 0u);
  restart(false);
  EXPECT_EQ(unreadable_chunks("0"), 1u);
  EXPECT_EQ(unreadable_chunks("1"), 0u);
  EXPECT_EQ(status().lost_chunks, 1u);
}

TEST_F(FailingDevices, LostChunkLivesAndDiesWithItsSnapshots) {
  create("0");
  create("1");
  world_.faulty_origin.inject(
      {.op = DeviceOp::kRead, .range = ByteRange{3 * kChunkBytes, 512}, .is_forever = true});
  EXPECT_EQ(overwrite(3), 0);
  ASSERT_TRUE(world_.store->close_cleanly());  // into a run
  EXPECT_EQ(unreadable_chunks("0"), 1u);
  ASSERT_TRUE(world_.store->remove(world_.store->find("1")->epoch, SnapStore::Keep::kNothing));
  EXPECT_EQ(unreadable_chunks("0"), 1u);
  restart(false);
  EXPECT_EQ(unreadable_chunks("0"), 1u);
  ASSERT_TRUE(world_.store->remove(world_.store->find("0")->epoch, SnapStore::Keep::kNothing));
  while (world_.store->has_background_work()) ASSERT_TRUE(world_.store->background_step());
  EXPECT_EQ(world_.store->usage().slots_free, world_.store->facts().slots_total);
  EXPECT_EQ(status().lost_chunks, 0u);
}

TEST_F(FailingDevices, UnderStopAnUnreadableOriginChunkRefusesItsWriteAlone) {
  set_policy(OnStoreFailure::kOriginStops);
  create("0");
  world_.faulty_origin.inject(
      {.op = DeviceOp::kRead, .range = ByteRange{3 * kChunkBytes, 512}, .is_forever = true});
  EXPECT_EQ(overwrite(3), EIO);
  EXPECT_EQ(overwrite(4), 0);
  world_.faulty_origin.heal();
  EXPECT_EQ(unreadable_chunks("0"), 0u);
  EXPECT_EQ(overwrite(3), 0);
}

TEST_F(FailingDevices, OriginThatIsGoneCostsNothingButItsWrites) {
  create("0");
  for (const int gone_errno : {EIO, ENODEV, ETIMEDOUT, ENOLINK}) {
    world_.faulty_origin.inject(
        {.op = DeviceOp::kRead, .is_forever = true, .sys_errno = gone_errno});
    EXPECT_EQ(overwrite(3), EIO) << gone_errno;
    world_.faulty_origin.heal();
  }
  // A path that fails where the rest of the device answers: no bad sector either.
  world_.faulty_origin.inject({.op = DeviceOp::kRead,
                               .range = ByteRange{3 * kChunkBytes, 512},
                               .is_forever = true,
                               .sys_errno = ETIMEDOUT});
  EXPECT_EQ(overwrite(3), EIO);
  world_.faulty_origin.heal();
  EXPECT_EQ(unreadable_chunks("0"), 0u);
  EXPECT_EQ(status().lost_chunks, 0u);
  EXPECT_EQ(rung(), 0u);
}

// ---- slots ----

TEST_F(FailingDevices, SlotWriteThatFailsOnceIsRepeated) {
  create("0");
  world_.faulty_snapstore.inject({.op = DeviceOp::kWrite, .range = slots_});
  EXPECT_EQ(overwrite(1), 0);
  EXPECT_EQ(rung(), 0u);
  EXPECT_EQ(status().repeated_writes, 1u);
  EXPECT_EQ(unreadable_chunks("0"), 0u);
}

TEST_F(FailingDevices, BadSlotIsReplacedAndNoNewSnapshotsAreMade) {
  create("0");
  world_.faulty_snapstore.inject({.op = DeviceOp::kWrite,
                                  .range = ByteRange{slots_.offset_bytes, kChunkBytes},
                                  .is_forever = true});
  EXPECT_EQ(overwrite(1), 0);
  EXPECT_EQ(rung(), 1u);
  EXPECT_NE(status().ladder_why.find("slots cannot be written"), std::string::npos);
  EXPECT_EQ(unreadable_chunks("0"), 0u);
  EXPECT_NE(create_error("1").text.find("no new snapshots"), std::string::npos);
  EXPECT_EQ(overwrite(2), 0);
  restart(false);
  EXPECT_EQ(rung(), 1u) << "one-way";
  EXPECT_EQ(unreadable_chunks("0"), 0u);
  restart(true);
  EXPECT_EQ(rung(), 0u);
  origin_ = world_.come_back(origin_);
  create("1");
  EXPECT_EQ(unreadable_chunks("0"), 0u);
}

TEST_F(FailingDevices, DeadSlotsLoseTheSnapshotsAndTheOriginGoesOnTracked) {
  create("0");
  create("1");
  EXPECT_EQ(overwrite(1), 0);
  const auto reader = world_.attach("reader", "0");
  world_.faulty_snapstore.inject({.op = DeviceOp::kWrite, .range = slots_, .is_forever = true});
  EXPECT_EQ(overwrite(2), 0);
  EXPECT_EQ(rung(), 2u);
  world_.take<DroppedMessage>(reader.session);
  EXPECT_EQ(world_.locate(reader.session, {{{1}, 1}})[0].result_errno, EIO);
  EXPECT_NE(create_error("2").text.find("no new snapshots"), std::string::npos);
  EXPECT_EQ(overwrite(3), 0);
  restart(false);
  EXPECT_EQ(rung(), 2u);
  restart(true);
  EXPECT_EQ(rung(), 0u);
  // What was tracked meanwhile is exact.
  const auto changed = world_.store->changed(world_.store->find("1")->epoch, {});
  ASSERT_TRUE(changed) << changed.error().message();
  EXPECT_EQ(changed->cardinality(), 3u);
  for (const std::uint32_t chunk : {1u, 2u, 3u}) EXPECT_TRUE(changed->contains(chunk));
  EXPECT_NE(world_.store->find("1")->kind, BoundaryKind::kLive);
  origin_ = world_.come_back(origin_);
  create("2");
  EXPECT_EQ(overwrite(1), 0);
  EXPECT_EQ(unreadable_chunks("2"), 0u);
}

TEST_F(FailingDevices, UnderStopDeadSlotsRefuseFirstWritesAndKeepTheSnapshots) {
  set_policy(OnStoreFailure::kOriginStops);
  create("0");
  EXPECT_EQ(overwrite(1), 0);
  world_.faulty_snapstore.inject({.op = DeviceOp::kWrite, .range = slots_, .is_forever = true});
  EXPECT_EQ(overwrite(2), EIO);
  EXPECT_EQ(overwrite(3), EIO);
  EXPECT_EQ(overwrite(1), 0) << "granted before";
  EXPECT_EQ(rung(), 1u) << ::testing::PrintToString(world_.log.lines());
  EXPECT_EQ(unreadable_chunks("0"), 0u);
  restart(true);
  EXPECT_EQ(unreadable_chunks("0"), 0u);
  origin_ = world_.come_back(origin_);
  EXPECT_EQ(overwrite(2), 0);
}

TEST_F(FailingDevices, SnapstoreOutOfRoomBelowUsesWhatItHas) {
  create("0");
  EXPECT_EQ(overwrite(0), 0);  // the one slot that has room below it
  world_.faulty_snapstore.inject(
      {.op = DeviceOp::kWrite,
       .range = ByteRange{slots_.offset_bytes + kChunkBytes, slots_.length_bytes - kChunkBytes},
       .is_forever = true,
       .sys_errno = ENOSPC});
  EXPECT_EQ(overwrite(1), 0);
  EXPECT_EQ(rung(), 0u) << "a full store, not a broken one";
  EXPECT_EQ(world_.store->find("0")->kind, BoundaryKind::kDropped);
  create("1");
  EXPECT_EQ(overwrite(2), 0);
  EXPECT_EQ(unreadable_chunks("1"), 0u);
}

TEST_F(FailingDevices, UnreadableSlotHurtsItsChunkAlone) {
  create("0");
  EXPECT_EQ(overwrite(1), 0);
  // The server does not read slots for its targets; for a private copy it does.
  world_.faulty_snapstore.inject({.op = DeviceOp::kRead, .range = slots_, .is_forever = true});
  const auto target = world_.attach("s", "0");
  world_.send(target.session, PrepareSnapshotWriteMessage{{{{1}, 1}}});
  world_.run();
  EXPECT_EQ(world_.take_located(target.session)[0].result_errno, EIO);
  world_.send(target.session, PrepareSnapshotWriteMessage{{{{2}, 1}}});
  world_.run();
  EXPECT_EQ(world_.take_located(target.session)[0].place, Place::kPrivate);
  EXPECT_EQ(rung(), 0u);
}

// ---- metadata ----

TEST_F(FailingDevices, DeadMetadataClosesTheStoreAndTheOriginGoesOn) {
  create("0");
  EXPECT_EQ(overwrite(1), 0);
  const auto reader = world_.attach("reader", "0");
  // The journal is dead, the superblock can be marked.
  world_.faulty_snapstore.inject(
      {.op = DeviceOp::kWrite, .range = ByteRange{65536, 131072}, .is_forever = true});
  EXPECT_EQ(overwrite(2), 0);
  EXPECT_EQ(rung(), 3u);
  world_.take<DroppedMessage>(reader.session);
  EXPECT_EQ(world_.locate(reader.session, {{{2}, 1}})[0].result_errno, EIO);
  EXPECT_FALSE(create_error("1").text.empty());
  EXPECT_EQ(overwrite(3), 0);
  world_.faulty_snapstore.heal();
  const auto refused = SnapStore::open({world_.snapstore, world_.origin}, {}, world_.random);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().text.find("--resume"), std::string::npos);
  restart(true);
  EXPECT_EQ(rung(), 0u);
  EXPECT_TRUE(is_given_up("0"));
  EXPECT_EQ(world_.store->changed(world_.store->find("0")->epoch, {}).error().code,
            ErrorCode::kDamaged)
      << "what was written meanwhile is not known";
  EXPECT_TRUE(std::ranges::any_of(status().warnings, [](const std::string& warning) {
    return warning.find("unseen") != std::string::npos;
  }));
  origin_ = world_.come_back(origin_);
  create("1");
  EXPECT_EQ(overwrite(4), 0);
  EXPECT_EQ(unreadable_chunks("1"), 0u);
  EXPECT_TRUE(world_.store->changed(world_.store->find("1")->epoch, {}));
}

TEST_F(FailingDevices, UnderStopDeadMetadataRefusesFirstWritesAndKeepsTheSnapshots) {
  set_policy(OnStoreFailure::kOriginStops);
  create("0");
  EXPECT_EQ(overwrite(1), 0);
  const auto reader = world_.attach("reader", "0");
  world_.faulty_snapstore.inject(
      {.op = DeviceOp::kWrite, .range = ByteRange{65536, 131072}, .is_forever = true});
  EXPECT_EQ(overwrite(2), EIO);
  EXPECT_EQ(overwrite(1), EIO)
      << "who was granted it does not ask; who asks may be one snapshot behind";
  EXPECT_EQ(rung(), 3u);
  for (std::uint32_t chunk = 0; chunk < kChunks; ++chunk)
    EXPECT_EQ(world_.read_byte(reader, chunk), snapshots_.at("0")[chunk]);
  restart(true);
  EXPECT_EQ(unreadable_chunks("0"), 0u);
  EXPECT_TRUE(world_.store->changed(world_.store->find("0")->epoch, {}));
}

TEST_F(FailingDevices, WithoutAPlaceForTheMarkNothingIsGranted) {
  create("0");
  world_.faulty_snapstore.inject({.op = DeviceOp::kWrite, .is_forever = true});
  EXPECT_EQ(overwrite(2), EIO);
  EXPECT_EQ(rung(), 3u);
  restart(false);
  EXPECT_EQ(unreadable_chunks("0"), 0u) << "nothing was written since";
}

TEST_F(FailingDevices, NoteElsewhereLetsTheOriginGoOn) {
  bool is_full = true;
  bool is_kept = false;
  VolumeConfig config = VolumeHarness::default_config();
  config.keep_closed_note = [&](const std::string&) -> Status {
    if (is_full) return fail(ErrorCode::kNoSpace, "the note's disk is full");
    is_kept = true;
    return {};
  };
  world_.restart(config);
  origin_ = world_.come_back(origin_);
  create("0");
  world_.faulty_snapstore.inject({.op = DeviceOp::kWrite, .is_forever = true});
  EXPECT_EQ(overwrite(2), EIO);
  is_full = false;
  world_.wait_ms(kClosedNoteInterval_ms);
  EXPECT_TRUE(is_kept);
  EXPECT_EQ(overwrite(2), 0);
  world_.faulty_snapstore.heal();
  EXPECT_FALSE(
      SnapStore::open({world_.snapstore, world_.origin}, {.was_closed = true}, world_.random));
  world_.restart(config, {.must_resume = true, .was_closed = true});
  world_.run();
  EXPECT_NE(world_.store->find("0")->kind, BoundaryKind::kLive);
}

TEST_F(FailingDevices, FlushThatFailsOnceIsRepeatedAndForEverCloses) {
  create("0");
  world_.faulty_snapstore.inject({.op = DeviceOp::kFlush});
  EXPECT_EQ(overwrite(1), 0);
  EXPECT_EQ(rung(), 0u);
  world_.faulty_snapstore.inject({.op = DeviceOp::kFlush, .is_forever = true});
  EXPECT_EQ(overwrite(2), EIO) << "not even the mark can be flushed";
  EXPECT_EQ(rung(), 3u);
  restart(true);
  EXPECT_EQ(unreadable_chunks("0"), 0u) << "nothing was written since";
}

TEST_F(FailingDevices, UnreadableMetadataMeansNoNewSnapshots) {
  create("0");
  EXPECT_EQ(overwrite(1), 0);
  world_.store.reset();
  world_.restart(VolumeHarness::default_config(), {.cache_bytes = 0});
  origin_ = world_.come_back(origin_);
  const std::uint64_t tables_at = 65536 + world_.store->facts().journal_bytes_total;
  world_.faulty_snapstore.inject({.op = DeviceOp::kRead,
                                  .range = ByteRange{tables_at, slots_.offset_bytes - tables_at},
                                  .is_forever = true});
  const auto reader = world_.attach("reader", "0");
  EXPECT_EQ(world_.read_byte(reader, 1), -EIO);
  world_.run();
  EXPECT_EQ(rung(), 1u);
  EXPECT_EQ(world_.read_byte(reader, 2), snapshots_.at("0")[2]);
  EXPECT_EQ(overwrite(2), 0);
}

}  // namespace
}  // namespace ddsnap::test
