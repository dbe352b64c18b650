// Failing devices (S10), cell by cell as in the table of server/store/SNAPSTORE.md, section 8: what
// each failure means for the write that met it, for the snapshots, and for what comes later. A real
// store and volume over memory devices with a fault injector between. Then "fail the Nth I/O until
// none fires", once and for ever, under both policies, with a byte comparison of every snapshot
// that can still be read, before and after a restart.
#include <fmt/format.h>

#include "tests/support/volume_harness.h"

namespace ddsnap::test {
namespace {

constexpr std::uint32_t kChunks = 48;
constexpr std::uint64_t kChunkBytes = VolumeHarness::kChunkBytes;
using Image = std::vector<unsigned char>;  // the byte that fills each chunk

class FailingDevices : public ::testing::Test {
 protected:
  FailingDevices() {
    for (std::uint32_t chunk = 0; chunk < kChunks; ++chunk) write_raw(chunk);
    origin_ = world_.attach("o");
    slots_ = {world_.store->facts().slots_offset_bytes,
              world_.store->facts().slots_total * kChunkBytes};
  }

  void write_raw(std::uint32_t chunk) {
    image_[chunk] = static_cast<unsigned char>(1 + next_fill_++ % 250);
    world_.write_chunk(chunk, image_[chunk]);
  }
  void set_policy(OnStoreFailure policy) {
    StoreSettings settings = world_.store->settings();
    settings.on_failure = policy;
    ASSERT_TRUE(world_.store->set_settings(settings));
  }
  void create(const std::string& tag) {
    world_.create_with({origin_.session}, tag);
    snapshots_[tag] = image_;
  }
  // The errno of the grant; the chunk is written where it was granted.
  int overwrite(std::uint32_t chunk) {
    const auto grants = world_.ask(origin_.session, {{{chunk}, 1}});
    if (grants.back().result_errno == 0) write_raw(chunk);
    return grants.back().result_errno;
  }
  Error create_error(const std::string& tag) {
    const SessionId client = world_.connect();
    world_.send(client, world_.create_message(tag));
    world_.run();
    return world_.take_error(client);
  }
  ServerStatusMessage status() {
    const SessionId client = world_.connect();
    world_.send(client, GetStatusMessage{});
    return world_.take<ServerStatusMessage>(client);
  }
  bool is_given_up(const std::string& tag) const {
    const auto facts = world_.store->find(tag);
    return facts && (facts->kind != BoundaryKind::kLive || facts->is_dropping);
  }
  std::uint32_t rung() { return status().ladder; }
  // Every chunk of the snapshot: right, or an errno. Returns how many were errors.
  std::uint32_t unreadable_chunks(const std::string& tag) {
    const auto target = world_.attach("reader of " + tag, tag);
    std::uint32_t errors = 0;
    for (std::uint32_t chunk = 0; chunk < kChunks; ++chunk) {
      const int byte = world_.read_byte(target, chunk);
      errors += byte < 0;
      if (byte >= 0) {
        EXPECT_EQ(byte, snapshots_.at(tag)[chunk]) << tag << " chunk " << chunk;
      }
    }
    world_.send(target.session, DetachMessage{});
    world_.take<OkMessage>(target.session);
    return errors;
  }
  // As after a mended device and the administrator's order.
  void restart(bool must_resume) {
    world_.faulty_snapstore.heal();
    world_.faulty_origin.heal();
    world_.restart(VolumeHarness::default_config(), {.must_resume = must_resume});
    world_.run();
  }
  bool has_log(const std::string& part) const {
    return std::ranges::any_of(world_.log.lines(), [&](const std::string& line) {
      return line.find(part) != std::string::npos;
    });
  }

  VolumeHarness world_{kChunks, 1u << 20};
  VolumeHarness::Target origin_;
  ByteRange slots_;
  Image image_ = Image(kChunks);
  std::map<std::string, Image> snapshots_;
  unsigned next_fill_ = 0;
};

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

// ---- the Nth I/O ----

struct Sweep {
  bool is_snapstore;
  bool is_forever;
  OnStoreFailure policy;
};

class FailTheNth : public FailingDevices, public ::testing::WithParamInterface<Sweep> {
 protected:
  void work() {
    for (const char* tag : {"0", "1", "2"}) {
      const SessionId client = world_.connect();
      world_.send(client, world_.create_message(tag));
      world_.run();
      if (world_.has_message(origin_.session)) {
        world_.send(origin_.session,
                    BarrierAckMessage{world_.take<BarrierMessage>(origin_.session).number});
        world_.run();
        world_.take<ReleaseMessage>(origin_.session);
      }
      if (world_.inbox[client].front().header.type == MsgType::kOk) snapshots_[tag] = image_;
      for (std::uint32_t chunk = 0; chunk < 6; ++chunk) (void)overwrite(chunk * 3 + tag[0] % 3);
      while (world_.store->has_background_work() && world_.store->background_step()) {
      }
      (void)world_.store->close_cleanly();
    }
  }
  void compare(const char* when) {
    SCOPED_TRACE(when);
    for (const auto& [tag, image] : snapshots_) {
      const auto facts = world_.store->find(tag);
      ASSERT_TRUE(facts) << tag;
      if (facts->kind != BoundaryKind::kLive || facts->is_dropping) {
        EXPECT_EQ(GetParam().policy, OnStoreFailure::kOriginGoesOn) << tag << " was given up";
        continue;
      }
      if (world_.store->failed()) continue;  // nobody can attach
      const std::uint32_t lost = unreadable_chunks(tag);
      EXPECT_LE(lost, GetParam().is_snapstore ? 0u : 1u) << tag;
    }
  }
};

TEST_P(FailTheNth, EverySnapshotIsRightOrRefused) {
  const Sweep& sweep = GetParam();
  FaultDevice& faulty = sweep.is_snapstore ? world_.faulty_snapstore : world_.faulty_origin;
  const CowBytes empty_store = world_.snapstore.content();
  for (std::uint64_t n = 0;; ++n) {
    SCOPED_TRACE(fmt::format("operation {}", n));
    world_.faulty_snapstore.heal();
    world_.faulty_origin.heal();
    world_.volume.reset();
    world_.store.reset();
    world_.snapstore.set_content(empty_store);
    snapshots_.clear();
    world_.restart();
    origin_ = world_.come_back(origin_);
    set_policy(sweep.policy);
    const std::uint64_t fired_before = faulty.fired();
    faulty.inject({.after = n, .is_forever = sweep.is_forever});
    work();
    const bool has_fired = faulty.fired() != fired_before;
    world_.faulty_snapstore.heal();
    world_.faulty_origin.heal();
    compare("before the restart");
    restart(true);
    compare("after the restart");
    if (HasFailure() || !has_fired) break;
    ASSERT_LT(n, 1000u);
  }
}

INSTANTIATE_TEST_SUITE_P(Sweeps, FailTheNth,
                         ::testing::Values(Sweep{true, false, OnStoreFailure::kOriginGoesOn},
                                           Sweep{true, true, OnStoreFailure::kOriginGoesOn},
                                           Sweep{true, false, OnStoreFailure::kOriginStops},
                                           Sweep{true, true, OnStoreFailure::kOriginStops},
                                           Sweep{false, false, OnStoreFailure::kOriginGoesOn},
                                           Sweep{false, true, OnStoreFailure::kOriginGoesOn},
                                           Sweep{false, false, OnStoreFailure::kOriginStops},
                                           Sweep{false, true, OnStoreFailure::kOriginStops}),
                         [](const auto& info) {
                           return fmt::format(
                               "{}{}{}", info.param.is_snapstore ? "Snapstore" : "Origin",
                               info.param.is_forever ? "ForEver" : "Once",
                               info.param.policy == OnStoreFailure::kOriginGoesOn ? "GoesOn"
                                                                                  : "Stops");
                         });

}  // namespace
}  // namespace ddsnap::test
