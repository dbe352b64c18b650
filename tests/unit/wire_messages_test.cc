// Every message: encoded and decoded again it is the same; cut short, lengthened or with a lie in
// it it is refused with kDamaged; random damage never does worse than that. And the bytes are those
// of tests/golden/protocol_v1.txt, which changes only together with the protocol's version.
// DDSNAP_UPDATE_GOLDEN=1 writes the golden file anew.
#include "ddsnap/wire/cli_messages.h"
#include "ddsnap/wire/messages.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <functional>
#include <map>

#include "ddsnap/base/limits.h"
#include "ddsnap/base/random.h"

namespace ddsnap {
namespace {

Uuid uuid_of(int n) {
  Uuid uuid;
  for (auto& byte : uuid.bytes) byte = static_cast<std::byte>(n++);
  return uuid;
}

DevicePair sample_pair() {
  return {{DeviceId::Kind::kFile, 8ull << 32 | 1, 4711}, {DeviceId::Kind::kBlock, 253ull << 32, 0}};
}

struct Sample {
  std::string name;
  std::vector<std::byte> frame;
  std::function<Result<std::vector<std::byte>>(std::span<const std::byte>)> decode_and_encode;
};

constexpr std::uint64_t kRequest = 0x0102030405060708;

template <class Message>
Sample sample(std::string name, const Message& message) {
  return {std::move(name), encode(message, kRequest),
          [](std::span<const std::byte> body) -> Result<std::vector<std::byte>> {
            return encode(DD_TRY(decode<Message>(body)), kRequest);
          }};
}

HelloMessage sample_hello() {
  HelloMessage hello;
  hello.role = TargetRole::kSnapshot;
  hello.is_direct = true;
  hello.pair = sample_pair();
  hello.target_uuid = uuid_of(16);
  hello.boot_id = uuid_of(32);
  hello.dm_device_or_pid = 4242;
  hello.tag = "nightly-7";
  hello.label = "nbdkit-4242";
  return hello;
}

HelloMessage returning_hello() {
  HelloMessage hello = sample_hello();
  hello.is_returning = true;
  hello.attachment_id = 7;
  hello.snapshot_uuid = uuid_of(48);
  hello.tag.clear();
  return hello;
}

HelloOkMessage sample_hello_ok() {
  HelloOkMessage ok;
  ok.store_uuid = uuid_of(64);
  ok.snapshot_uuid = uuid_of(80);
  ok.volume_bytes = 1u << 30;
  ok.slots_offset_bytes = 1u << 20;
  ok.slot_count = 1000;
  ok.epoch = Epoch{5};
  ok.chunk_shift = 14;
  ok.attachment_id = 7;
  ok.is_direct = true;
  ok.origin_path = "/dev/origin";
  ok.snapstore_path = "/dev/snapstore";
  return ok;
}

ServerStatusMessage sample_status() {
  ServerStatusMessage status;
  status.store_uuid = uuid_of(1);
  status.chunk_shift = 12;
  status.origin_bytes = 1;
  status.slots_free = 2;
  status.batches = 3;
  status.lost_chunks = 4;
  status.repeated_writes = 5;
  status.ladder = 2;
  status.ladder_why = "why";
  status.origin_stops = true;
  status.warn_percent = {80, 95};
  status.warnings = {"one", "two"};
  status.origin_path = "/o";
  status.snapstore_path = "/s";
  status.metadata_path = "/m";
  return status;
}

ChangelistPartMessage sample_changelist() {
  ChangelistPartMessage part;
  part.from_uuid = uuid_of(1);
  part.to_uuid = uuid_of(2);
  part.from_bytes = part.to_bytes = 1u << 20;
  part.chunk_shift = 14;
  part.next_chunk = 63;
  part.entries = {{ChunkNr{1}, ChunkHash{99}}, {ChunkNr{3}, std::nullopt}};
  return part;
}

std::vector<Sample> target_samples() {
  const std::vector<ChunkRange> ranges = {{ChunkNr{3}, 2}, {ChunkNr{0xffffffff}, 1}};
  return {
      sample("OK", OkMessage{}),
      sample("ERROR", ErrorMessage{{ErrorCode::kNoSpace, 28, "the snapstore is full"}}),
      sample("SERVE", ServeMessage{sample_pair(), "/run/vol0.sock"}),
      sample("FIND_SERVER", FindServerMessage{sample_pair()}),
      sample("SERVER_AT", ServerAtMessage{"@vol0"}),
      sample("HELLO", sample_hello()),
      sample("HELLO_returning", returning_hello()),
      sample("HELLO_OK", sample_hello_ok()),
      sample("PREPARE_WRITE", PrepareWriteMessage{ranges}),
      sample("GRANT", GrantMessage{Epoch{5}, 0, true, ranges}),
      sample("GRANT_refused", GrantMessage{Epoch{5}, 28, false, ranges}),
      sample("LOCATE", LocateMessage{ranges}),
      sample("PREPARE_SNAPSHOT_WRITE", PrepareSnapshotWriteMessage{ranges}),
      sample("LOCATED", LocatedMessage{true,
                                       {{ChunkNr{1}, Place::kOrigin, {}, {}, 0},
                                        {ChunkNr{2}, Place::kSlot, SlotNr{9}, ChunkHash{77}, 0},
                                        {ChunkNr{3}, Place::kZero, {}, ChunkHash{5}, 0},
                                        {ChunkNr{4}, Place::kPrivate, SlotNr{1}, {}, 0},
                                        {ChunkNr{5}, Place::kNowhere, {}, {}, 5}}}),
      sample("BARRIER", BarrierMessage{3}),
      sample("BARRIER_ACK", BarrierAckMessage{3}),
      sample("RELEASE", ReleaseMessage{3, Epoch{6}}),
      sample("DROPPED", DroppedMessage{}),
      sample("DROPPED_ACK", DroppedAckMessage{}),
      sample("INVALIDATE", InvalidateMessage{4, ranges}),
      sample("INVALIDATE_ACK", InvalidateAckMessage{4}),
      sample("DETACH", DetachMessage{}),
  };
}

std::vector<Sample> cli_samples() {
  SnapshotEntry entry{Epoch{4}, uuid_of(9), "0", BoundaryState::kBookmark, -3, 1, 2, 3, 4, 5, 6, 7};
  return {
      sample("CREATE_SNAPSHOT", CreateSnapshotMessage{uuid_of(5), "0", -128, true}),
      sample("DELETE_SNAPSHOT", DeleteSnapshotMessage{"0", true}),
      sample("LIST_SNAPSHOTS", ListSnapshotsMessage{Epoch{4}}),
      sample("SNAPSHOT_LIST", SnapshotListMessage{true, {entry}}),
      sample("GET_STATUS", GetStatusMessage{}),
      sample("SERVER_STATUS", sample_status()),
      sample("SET_PRIORITY", SetPriorityMessage{"0", 127}),
      sample("ADD_USE_COUNT", AddUseCountMessage{"0", -1}),
      sample("USE_COUNT", UseCountMessage{1, 2}),
      sample("GET_CHANGELIST", GetChangelistMessage{"0", "now", 1ull << 32}),
      sample("CHANGELIST_PART", sample_changelist()),
      sample("LIST_TARGETS", ListTargetsMessage{3}),
      sample("TARGET_LIST",
             TargetListMessage{false, {{1, TargetRole::kSnapshot, true, "0", "nbdkit-1"}}}),
      sample("FORCE_DETACH", ForceDetachMessage{"nbdkit-1"}),
      sample("CHECK_STORE", CheckStoreMessage{{6, 9, 1, 77}}),
      sample("CHECK_PART", CheckPartMessage{.next = {6, 9, 1, 78},
                                            .bytes_read = 4096,
                                            .blocks_checked = 1,
                                            .slots_checked = 2,
                                            .entries = {{.kind = CheckPartMessage::Kind::kHurt,
                                                         .oldest = {1},
                                                         .newest = {3},
                                                         .first_chunk = 5,
                                                         .end_chunk = 7},
                                                        {.kind = CheckPartMessage::Kind::kFinding,
                                                         .text = "a slot is damaged"}}}),
      sample("PREPARE_SNAPSHOT",
             PrepareSnapshotMessage{5000, CreateSnapshotMessage{uuid_of(5), "0", -128, true}}),
      sample("COMMIT_SNAPSHOT", CommitSnapshotMessage{uuid_of(5)}),
      sample("ABORT_SNAPSHOT", AbortSnapshotMessage{uuid_of(5)}),
      sample("RESIZE", ResizeMessage{kAsItsDevice, 1ull << 40, true}),
      sample("RESIZED", ResizedMessage{1ull << 30, 1000, 1u << 20}),
      sample("GET_SPACE", GetSpaceMessage{Epoch{4}}),
      sample("SPACE_LIST", SpaceListMessage{true, {{Epoch{4}, 5, 6}}}),
      sample("GET_EVENTS", GetEventsMessage{7}),
      sample("EVENT_LIST", EventListMessage{.started_ns = 1,
                                            .warnings = 2,
                                            .errors = 3,
                                            .has_more = true,
                                            .entries = {{7, 8, EventLevel::kError, "what"}}}),
  };
}

std::vector<Sample> all_samples() {
  std::vector<Sample> samples = target_samples();
  for (Sample& cli : cli_samples()) samples.push_back(std::move(cli));
  return samples;
}

std::span<const std::byte> body_of(const std::vector<std::byte>& frame) {
  return std::span(frame).subspan(kFrameHeaderBytes);
}

TEST(WireMessages, SurviveTheRoundTrip) {
  for (const Sample& sample : all_samples()) {
    SCOPED_TRACE(sample.name);
    const auto header = decode_header(std::span(sample.frame).first<kFrameHeaderBytes>());
    ASSERT_TRUE(header.has_value());
    EXPECT_EQ(header->request_id, kRequest);
    EXPECT_EQ(header->body_bytes, sample.frame.size() - kFrameHeaderBytes);
    const auto again = sample.decode_and_encode(body_of(sample.frame));
    ASSERT_TRUE(again.has_value()) << again.error().message();
    EXPECT_EQ(*again, sample.frame);
  }
}

TEST(WireMessages, RefuseEveryWrongLength) {
  for (const Sample& sample : all_samples()) {
    SCOPED_TRACE(sample.name);
    std::vector<std::byte> body(body_of(sample.frame).begin(), body_of(sample.frame).end());
    for (std::size_t length = 0; length < body.size(); ++length) {
      const auto cut = sample.decode_and_encode(std::span(body).first(length));
      ASSERT_FALSE(cut.has_value()) << length;
      EXPECT_EQ(cut.error().code, ErrorCode::kDamaged);
    }
    body.push_back(std::byte{0});
    EXPECT_FALSE(sample.decode_and_encode(body).has_value());
  }
}

TEST(WireMessages, NeverDoWorseThanRefuseDamage) {
  constexpr std::uint64_t kSeed = 20070101;
  SCOPED_TRACE(fmt::format("seed {}", kSeed));
  SeededRandom random(kSeed);
  for (const Sample& sample : all_samples()) {
    SCOPED_TRACE(sample.name);
    for (int i = 0; i < 500; ++i) {
      std::vector<std::byte> body(body_of(sample.frame).begin(), body_of(sample.frame).end());
      for (std::uint64_t n = 1 + random.below(3); n > 0 && !body.empty(); --n)
        body[random.below(body.size())] = static_cast<std::byte>(random.below(256));
      // What passes must be canonical: it encodes to itself.
      const auto again = sample.decode_and_encode(body);
      if (!again) continue;
      EXPECT_TRUE(std::ranges::equal(body_of(*again), body));
    }
  }
}

// ---- lies that a random byte seldom tells ----

template <class Message>
void expect_refused(const Message& message, std::size_t offset, std::uint8_t value) {
  std::vector<std::byte> frame = encode(message, 1);
  frame[kFrameHeaderBytes + offset] = static_cast<std::byte>(value);
  const auto result = decode<Message>(body_of(frame));
  ASSERT_FALSE(result.has_value()) << "offset " << offset;
  EXPECT_EQ(result.error().code, ErrorCode::kDamaged);
}

TEST(WireMessages, RefuseEmptyAndOverlongRanges) {
  const PrepareWriteMessage one{{{ChunkNr{0xffffffff}, 1}}};
  expect_refused(one, 12, 0);  // count 0
  expect_refused(one, 12, 2);  // ends beyond 2^32
  expect_refused(one, 4, 1);   // reserved
}

TEST(WireMessages, RefuseQuestionsAboutTooManyChunks) {
  const PrepareWriteMessage most{{{ChunkNr{0}, kMaxChunksPerQuestion}}};
  EXPECT_TRUE(decode<PrepareWriteMessage>(body_of(encode(most, 1))).has_value());
  expect_refused(most, 12, 1);  // one chunk more
}

TEST(WireMessages, RefuseUnknownEnums) {
  expect_refused(sample_hello(), 0, 3);     // role
  expect_refused(sample_hello(), 4, 0x80);  // flags
  expect_refused(sample_hello(), 8, 9);     // kind of device
  expect_refused(ErrorMessage{{ErrorCode::kBusy, 0, "x"}}, 0, 99);
  expect_refused(LocatedMessage{true, {{ChunkNr{1}, Place::kOrigin, {}, {}, 0}}}, 8 + 16, 6);
  expect_refused(sample_hello_ok(), 64, 30);  // chunk shift
}

TEST(WireMessages, RefuseTagsThatAreNone) {
  expect_refused(sample_hello(), 120 + 2, '/');
  expect_refused(sample_hello(), 120 + 2, 0);  // not padded behind
  expect_refused(CreateSnapshotMessage{uuid_of(1), "ab", 0, false}, 16 + 2 + 2, '#');
}

TEST(WireMessages, RefuseForeignHeaders) {
  std::vector<std::byte> frame = encode(OkMessage{}, 1);
  const auto with = [&](std::size_t offset, int value) {
    auto changed = frame;
    changed[offset] = static_cast<std::byte>(value);
    return decode_header(std::span<const std::byte>(changed).first<kFrameHeaderBytes>());
  };
  EXPECT_TRUE(with(0, 'D').has_value());
  for (const auto& [offset, value] : std::map<std::size_t, int>{{0, 'X'}, {4, 2}, {10, 1}, {12, 1}})
    EXPECT_EQ(with(offset, value).error().code, ErrorCode::kDamaged) << offset;
}

TEST(WireMessages, FitWhereTheListsAreLongest) {
  const std::string tag(kMaxTagBytes, 't');
  SnapshotListMessage list;
  list.entries.resize(kMaxSnapshotListEntries);
  for (auto& entry : list.entries) entry.tag = tag;
  EXPECT_LE(encode(list, 1).size(), kMaxMessageBytes);
  TargetListMessage targets;
  targets.entries.resize(kMaxTargetListEntries, {1, TargetRole::kOrigin, true, tag, tag});
  EXPECT_LE(encode(targets, 1).size(), kMaxMessageBytes);
  ChangelistPartMessage part = sample_changelist();
  part.next_chunk.reset();
  part.entries.clear();
  for (std::uint32_t i = 0; i < kMaxChangelistEntries; ++i)
    part.entries.push_back({ChunkNr{i}, ChunkHash{i}});
  EXPECT_LE(encode(part, 1).size(), kMaxMessageBytes);
  EventListMessage events;
  for (std::uint64_t i = 1; i <= kMaxEventEntries; ++i)
    events.entries.push_back({i, i, EventLevel::kInfo, std::string(kMaxLogLineBytes, 'x')});
  EXPECT_LE(encode(events, 1).size(), kMaxMessageBytes);
  SpaceListMessage space;
  space.entries.resize(kMaxSpaceEntries);
  EXPECT_LE(encode(space, 1).size(), kMaxMessageBytes);
  LocatedMessage located;
  for (std::uint32_t i = 0; i < kMaxChunksPerAnswer; ++i)
    located.entries.push_back({ChunkNr{i}, Place::kZero, {}, {}, 0});
  EXPECT_LE(encode(located, 1).size(), kMaxMessageBytes);
}

TEST(WireMessages, CheckTags) {
  for (const char* good : {"0", "nightly-7", "a.b", "@x"}) EXPECT_TRUE(check_tag(good)) << good;
  for (const char* bad :
       {"", "a b", "a/b", "a#b", "a..b", "now", "origin", "-1", "\x01", "\xc3\xa4"})
    EXPECT_EQ(check_tag(bad).error().code, ErrorCode::kUsage) << bad;
  EXPECT_FALSE(check_tag(std::string(kMaxTagBytes + 1, 'x')));
}

// ---- golden bytes ----

std::string to_hex(std::span<const std::byte> bytes) {
  std::string text;
  for (const std::byte byte : bytes) text += fmt::format("{:02x}", static_cast<unsigned>(byte));
  return text;
}

TEST(WireMessages, HaveTheBytesOfTheGoldenFile) {
  const std::string path = std::string(DDSNAP_SOURCE_DIR) + "/tests/golden/protocol_v1.txt";
  if (std::getenv("DDSNAP_UPDATE_GOLDEN") != nullptr) {
    std::ofstream out(path);
    for (const Sample& sample : all_samples())
      out << sample.name << ' ' << to_hex(sample.frame) << '\n';
  }
  std::ifstream file(path);
  std::map<std::string, std::string> golden;
  for (std::string name, hex; file >> name >> hex;) golden[name] = hex;
  EXPECT_EQ(golden.size(), all_samples().size());
  for (const Sample& sample : all_samples())
    EXPECT_EQ(golden[sample.name], to_hex(sample.frame)) << sample.name;
}

}  // namespace
}  // namespace ddsnap
