// What the command line asks: list, delete, priority, use count, status, targets, changelists, over
// a real store on memory devices. D6, timeline 26.
#include "tests/support/volume_harness.h"

namespace ddsnap::test {
namespace {

class VolumeCommands : public ::testing::Test {
 protected:
  template <class Answer, class Request>
  Answer call(const Request& request) {
    world_.send(client_, request);
    world_.run();
    return world_.take<Answer>(client_);
  }
  template <class Request>
  Error fails(const Request& request) {
    return call<ErrorMessage>(request).error;
  }
  std::vector<ChangelistPartMessage::Entry> changelist(const std::string& from,
                                                       const std::string& to) {
    std::vector<ChangelistPartMessage::Entry> entries;
    GetChangelistMessage ask{.from_tag = from, .to_tag = to};
    for (;;) {
      const auto part = call<ChangelistPartMessage>(ask);
      entries.insert(entries.end(), part.entries.begin(), part.entries.end());
      if (!part.next_chunk) return entries;
      EXPECT_GT(*part.next_chunk, entries.back().chunk.value);
      ask.start_chunk = *part.next_chunk;
    }
  }

  VolumeHarness world_{8192, 64u << 20};
  SessionId client_ = world_.connect();
};

TEST_F(VolumeCommands, ListTellsEverySnapshotInOrder) {
  world_.create("0", 3);
  call<OkMessage>(
      CreateSnapshotMessage{.uuid = Uuid::make(world_.random), .tag = "mark", .is_bookmark = true});
  const auto s = world_.attach("s", "0");
  const auto list = call<SnapshotListMessage>(ListSnapshotsMessage{});
  ASSERT_EQ(list.entries.size(), 2u);
  EXPECT_FALSE(list.has_more);
  EXPECT_EQ(list.entries[0].tag, "0");
  EXPECT_EQ(list.entries[0].priority, 3);
  EXPECT_EQ(list.entries[0].target_count, 1u);
  EXPECT_EQ(list.entries[1].state, BoundaryState::kBookmark);
}

TEST_F(VolumeCommands, LongListComesInPages) {
  for (std::uint32_t i = 0; i < kMaxSnapshotListEntries + 5; ++i) world_.create(std::to_string(i));
  auto page = call<SnapshotListMessage>(ListSnapshotsMessage{});
  EXPECT_EQ(page.entries.size(), kMaxSnapshotListEntries);
  EXPECT_TRUE(page.has_more);
  page = call<SnapshotListMessage>(ListSnapshotsMessage{page.entries.back().epoch});
  EXPECT_EQ(page.entries.size(), 5u);
  EXPECT_FALSE(page.has_more);
}

TEST_F(VolumeCommands, DeleteRefusesWhatIsUnknownOrInUse) {
  EXPECT_EQ(fails(DeleteSnapshotMessage{.tag = "0"}).text, "snapshot 0 does not exist");
  world_.create("0");
  call<UseCountMessage>(AddUseCountMessage{"0", 2});
  const Error busy = fails(DeleteSnapshotMessage{.tag = "0"});
  EXPECT_EQ(busy.code, ErrorCode::kBusy);
  EXPECT_EQ(busy.text, "snapshot 0 has use count 2");
  EXPECT_EQ(call<UseCountMessage>(AddUseCountMessage{"0", -2}).use_count, 0u);
  call<OkMessage>(DeleteSnapshotMessage{.tag = "0"});
  EXPECT_EQ(world_.store->boundary_count(), 0u);
}

TEST_F(VolumeCommands, UseCountNeitherUnderflowsNorOverflows) {
  world_.create("0");
  EXPECT_EQ(fails(AddUseCountMessage{"0", -1}).text, "use count of 0 would fall below zero");
  call<UseCountMessage>(AddUseCountMessage{"0", 0x7fffffff});
  call<UseCountMessage>(AddUseCountMessage{"0", 0x7fffffff});
  EXPECT_EQ(fails(AddUseCountMessage{"0", 0x7fffffff}).code, ErrorCode::kUsage);
  EXPECT_EQ(call<UseCountMessage>(AddUseCountMessage{"0", 0}).use_count, 0xfffffffeu);
}

TEST_F(VolumeCommands, StatusAndTargetsTellWhoIsThere) {
  const auto a = world_.attach("a");
  const auto b = world_.attach("b");
  world_.disconnect(b.session);
  const auto status = call<ServerStatusMessage>(GetStatusMessage{});
  EXPECT_EQ(status.targets_present, 1u);
  EXPECT_EQ(status.targets_absent, 1u);
  EXPECT_EQ(status.ladder, 0u);
  const auto targets = call<TargetListMessage>(ListTargetsMessage{});
  ASSERT_EQ(targets.entries.size(), 2u);
  EXPECT_TRUE(targets.entries[0].is_present);
  EXPECT_FALSE(targets.entries[1].is_present);
  EXPECT_EQ(targets.entries[1].label, "b");
}

TEST_F(VolumeCommands, ChangelistNamesWhatDiffersAndItsOldHash) {
  const auto a = world_.attach("a");
  world_.write_chunk(3, 0x11);
  world_.create_with({a.session}, "0");
  for (const std::uint32_t chunk : {3u, 4u, 9u}) world_.overwrite(a.session, chunk, 0x22);
  world_.create_with({a.session}, "1");
  world_.overwrite(a.session, 5, 0x33);
  const auto entries = changelist("0", "1");
  ASSERT_EQ(entries.size(), 3u);
  const std::vector<std::byte> old(VolumeHarness::kChunkBytes, std::byte{0x11});
  EXPECT_EQ(entries[0].chunk, ChunkNr{3});
  EXPECT_EQ(entries[0].from_hash, hash_chunk(old));
  EXPECT_TRUE(entries[1].from_hash.has_value());
  EXPECT_EQ(changelist("0", "now").size(), 4u);
  EXPECT_EQ(changelist("1", "now").size(), 1u);
}

TEST_F(VolumeCommands, LongChangelistComesInPages) {
  const auto a = world_.attach("a");
  world_.create_with({a.session}, "0");
  world_.ask(a.session, {{{0}, 5000}});
  world_.create_with({a.session}, "1");
  const auto entries = changelist("0", "1");
  ASSERT_EQ(entries.size(), 5000u);
  for (std::uint32_t i = 0; i < 5000; ++i) EXPECT_EQ(entries[i].chunk.value, i);
}

TEST_F(VolumeCommands, BookmarkIsAGoodBaseWithoutHashes) {  // timeline 26
  const auto a = world_.attach("a");
  world_.create_with({a.session}, "0");
  world_.overwrite(a.session, 3, 0x22);
  world_.create_with({a.session}, "1");
  call<OkMessage>(DeleteSnapshotMessage{.tag = "0", .keep_bookmark = true});
  const auto entries = changelist("0", "1");
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_FALSE(entries[0].from_hash.has_value());
  const SessionId s = world_.connect();
  world_.send(s, world_.hello_of("s", "0"));
  EXPECT_EQ(world_.take_error(s).code, ErrorCode::kUsage);
}

TEST_F(VolumeCommands, ChangelistBetweenUnknownOrReversedEndsIsRefused) {
  world_.create("0");
  world_.create("1");
  EXPECT_EQ(fails(GetChangelistMessage{.from_tag = "x", .to_tag = "1"}).code, ErrorCode::kNotFound);
  EXPECT_EQ(fails(GetChangelistMessage{.from_tag = "1", .to_tag = "0"}).code, ErrorCode::kUsage);
  EXPECT_TRUE(changelist("0", "1").empty());
}

TEST_F(VolumeCommands, SpaceCountsEverySlotForTheSnapshotThatHasIt) {
  for (std::uint32_t chunk = 0; chunk < 8; ++chunk) world_.write_chunk(chunk, 'x');
  const auto a = world_.attach("a");
  world_.create_with({a.session}, "0");
  world_.ask(a.session, {{{3}, 2}});
  world_.create_with({a.session}, "1");
  world_.ask(a.session, {{{4}, 3}});
  world_.create_with({a.session}, "2");
  const auto space = call<SpaceListMessage>(GetSpaceMessage{});
  ASSERT_EQ(space.entries.size(), 3u);
  EXPECT_FALSE(space.has_more);
  const SpaceEntry& first = space.entries[0];
  EXPECT_EQ(first.unique_chunks, 2u);  // deleted, it takes its table along
  EXPECT_EQ(first.shared_chunks, 0u);
  const SpaceEntry& second = space.entries[1];
  EXPECT_EQ(second.unique_chunks, 1u);  // chunk 4 is also in the table before
  EXPECT_EQ(second.shared_chunks, 2u);
  const auto usage = world_.store->usage();
  const std::uint64_t used = world_.store->facts().slots_total - usage.slots_free;
  EXPECT_EQ(used, 5u);
  EXPECT_EQ(call<SpaceListMessage>(GetSpaceMessage{second.epoch}).entries.size(), 1u);
}

TEST_F(VolumeCommands, WithoutARingThereAreNoEvents) {
  const auto events = call<EventListMessage>(GetEventsMessage{});
  EXPECT_TRUE(events.entries.empty());
  EXPECT_FALSE(events.has_more);
}

TEST_F(VolumeCommands, FailedStoreRefusesWritersAndSaysSo) {  // S10
  const auto a = world_.attach("a");
  world_.create_with({a.session}, "0");
  world_.snapstore.set_read_only(true);
  const auto grants = world_.ask(a.session, {{{3}, 2}});
  EXPECT_EQ(grants.back().result_errno, EIO);
  if (world_.store->failed()) {
    EXPECT_EQ(world_.ask(a.session, {{{3}, 2}}).back().result_errno, EIO);
    EXPECT_EQ(call<ServerStatusMessage>(GetStatusMessage{}).ladder, 3u);
  }
}

}  // namespace
}  // namespace ddsnap::test
