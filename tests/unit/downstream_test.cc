// The end of a stream, over a real server on files: what is received becomes the upstream's
// snapshot byte for byte and by its uuid; what was received before, does not belong here, was
// interrupted anywhere, or meets the writes of somebody else is told apart. Streams are cut at each
// of many places; older snapshots are compared every time.
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

#include "ddsnap/io/open_device.h"
#include "ddsnap/replica/downstream.h"
#include "ddsnap/target/open_ddsnap_device.h"
#include "tests/support/delta_world.h"
#include "tests/support/live_server.h"

namespace ddsnap::test {
namespace {

constexpr std::size_t kVolumeBytes = 6u << 20;
constexpr std::size_t kChunkBytes = 16u << 10;

Uuid uuid_of(int number) {
  SeededRandom random(static_cast<std::uint64_t>(1000 + number));
  return Uuid::make(random);
}

// Ends early, as a link that is cut.
class CutSource final : public ByteSource {
 public:
  CutSource(std::span<const std::byte> bytes, std::size_t whole) : bytes_(bytes), whole_(whole) {}
  Result<std::size_t> read(std::span<std::byte> into) override {
    if (at_ == whole_) return fail(ErrorCode::kDisconnected, "the link was cut");
    const std::size_t count = std::min(into.size(), whole_ - at_);
    std::memcpy(into.data(), bytes_.data() + at_, count);
    at_ += count;
    return count;
  }
  bool can_rewind() const override { return false; }
  Status rewind() override { return fail(ErrorCode::kUsage, "no"); }
  const std::string& name() const override { return name_; }

 private:
  std::span<const std::byte> bytes_;
  std::size_t whole_;
  std::size_t at_ = 0;
  std::string name_ = "link";
};

class DownstreamTest : public testing::Test {
 protected:
  DownstreamTest() {
    ::setenv("DDSNAP_STATE_DIR", state_.path().c_str(), 1);
    images_[0] = make_volume(7, kVolumeBytes, kChunkBytes);
    for (int i = 1; i <= 4; ++i)
      images_[i] = edited(images_[i - 1], static_cast<std::uint64_t>(i), kVolumeBytes, kChunkBytes);
    open_downstream();
  }
  ~DownstreamTest() override { ::unsetenv("DDSNAP_STATE_DIR"); }

  void open_downstream() {
    auto opened = Downstream::open(server_.address());
    DD_CHECK(opened.has_value());
    downstream_ = *std::move(opened);
  }

  // From one numbered state to another; from -1: a full one.
  Bytes stream(int from, int to, std::uint64_t seed = 5) {
    const auto newer = device_of(images_[to]);
    Changelist list;
    std::unique_ptr<MemoryDevice> older;
    if (from < 0) {
      list = full_changelist({.volume_bytes = kVolumeBytes}, uuid_of(to), std::to_string(to));
    } else {
      older = device_of(images_[from]);
      WorkContext context;
      list = compare_devices(*older, *newer, kDefaultChunkShift, context).value();
      list.from_uuid = uuid_of(from);
      list.to_uuid = uuid_of(to);
      list.from_tag = std::to_string(from);
      list.to_tag = std::to_string(to);
    }
    MemorySink sink;
    SeededRandom random(seed + static_cast<std::uint64_t>(100 * to + from));
    const auto made = create_delta(list, older.get(), *newer, {}, random, sink);
    DD_CHECK(made.has_value());
    return sink.bytes();
  }

  Result<ReceiveReport> receive(const Bytes& bytes, const ReceiveOptions& options = {}) {
    MemorySource source(bytes, false);
    return downstream_->receive(source, options, context_);
  }
  Result<ReceiveReport> receive_cut(const Bytes& bytes, std::size_t whole) {
    CutSource source(bytes, whole);
    return downstream_->receive(source, {}, context_);
  }

  void begin_with(int number) {
    ASSERT_OK(receive(stream(-1, number), {.is_forced = true}));
    expect_holds(number);
  }

  void expect_holds(int number) {
    const auto held = downstream_->held();
    ASSERT_OK(held);
    const HeldSnapshot* const snapshot = find_held(*held, uuid_of(number));
    ASSERT_NE(snapshot, nullptr) << number;
    const auto device = open_ddsnap_device("ddsnap:" + server_.address() + "#" + snapshot->tag);
    ASSERT_OK(device);
    EXPECT_EQ(content_of(**device), images_[number]) << number;
  }

  static Bytes content_of(BlockDevice& device) {
    Bytes bytes(kVolumeBytes);
    EXPECT_TRUE(device.read_at(0, bytes).has_value());
    return bytes;
  }

  void write_as_stranger(std::uint64_t offset_bytes) {
    const auto target = server_.open_origin("stranger");
    const Bytes noise(kChunkBytes, std::byte{0x5a});
    ASSERT_OK(target->write(offset_bytes, noise, Durability::kFua));
  }

  TempDir state_;
  LiveServer server_{{.origin_bytes = kVolumeBytes, .snapstore_bytes = 64u << 20}};
  std::map<int, Bytes> images_;
  std::unique_ptr<Downstream> downstream_;
  WorkContext context_{.workers = 1, .memory_bytes = kMinWorkMemoryBytes};
};

TEST_F(DownstreamTest, AChainIsReceivedByUuidAndTag) {
  begin_with(0);
  for (int to = 1; to <= 4; ++to) {
    const auto report = receive(stream(to - 1, to));
    ASSERT_TRUE(report) << report.error().text;
    EXPECT_FALSE(report->was_there);
    EXPECT_EQ(report->tag, std::to_string(to));
    for (int held = 0; held <= to; ++held) expect_holds(held);
  }
  const auto held = downstream_->held();
  ASSERT_TRUE(held) << held.error().text;
  ASSERT_EQ(held->size(), 5u);
  EXPECT_EQ(held->back().uuid, uuid_of(4));
}

TEST_F(DownstreamTest, ARepeatedStreamIsKnownAndAStrangeOneRefused) {
  begin_with(0);
  ASSERT_OK(receive(stream(0, 1)));
  const auto again = receive(stream(0, 1));
  ASSERT_TRUE(again) << again.error().text;
  EXPECT_TRUE(again->was_there);

  const auto strange = receive(stream(2, 3));
  ASSERT_FALSE(strange);
  EXPECT_NE(strange.error().text.find("does not hold snapshot '2'"), std::string::npos)
      << strange.error().text;
  // From a snapshot that is here, but has been left behind.
  const auto older = receive(stream(0, 2));
  ASSERT_FALSE(older);
  EXPECT_NE(older.error().text.find("went on from '0'"), std::string::npos) << older.error().text;
  expect_holds(1);
}

TEST_F(DownstreamTest, ATagThatIsTakenIsToldBeforeAnythingIsWritten) {
  begin_with(0);
  ASSERT_OK(server_.create("1"));
  const auto taken = receive(stream(0, 1));
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().code, ErrorCode::kExists);
  const auto named = receive(stream(0, 1), {.tag = "copy-of-1"});
  ASSERT_TRUE(named) << named.error().text;
  EXPECT_EQ(named->tag, "copy-of-1");
  expect_holds(1);
}

TEST_F(DownstreamTest, CutAnywhereTheSameStreamGoesOn) {
  begin_with(0);
  const Bytes bytes = stream(0, 1);
  SeededRandom random(11);
  for (int i = 0; i < 12; ++i) {
    const std::size_t whole = kDeltaHeaderBytes + random.below(bytes.size() - kDeltaHeaderBytes);
    const auto cut = receive_cut(bytes, whole);
    ASSERT_FALSE(cut);
    EXPECT_EQ(cut.error().code, ErrorCode::kDisconnected) << cut.error().text;
    expect_holds(0);  // for readers nothing happened
  }
  const auto report = receive(bytes);
  ASSERT_TRUE(report) << report.error().text;
  EXPECT_TRUE(report->apply.was_resumed);
  expect_holds(0);
  expect_holds(1);
}

TEST_F(DownstreamTest, AfterACutAnotherStreamFromTheSameBaseIsTakenToo) {
  begin_with(0);
  const Bytes bytes = stream(0, 1);
  const auto cut = receive_cut(bytes, bytes.size() - 300);
  ASSERT_FALSE(cut);
  const auto report = receive(stream(0, 3));
  ASSERT_TRUE(report) << report.error().text;
  EXPECT_GT(report->chunks_put_back, 0u);
  expect_holds(0);
  expect_holds(3);
}

TEST_F(DownstreamTest, WritesOfStrangersAreRefusedOrPutBack) {
  begin_with(0);
  write_as_stranger(5 * kChunkBytes);
  const auto refused = receive(stream(0, 1));
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().text.find("1 chunks in 1 ranges, the first at byte 81920"),
            std::string::npos)
      << refused.error().text;
  const auto report = receive(stream(0, 1), {.puts_strangers_back = true});
  ASSERT_TRUE(report) << report.error().text;
  EXPECT_EQ(report->chunks_put_back, 1u);
  expect_holds(1);
}

TEST_F(DownstreamTest, AStrangerInAnInterruptedReceiveIsFound) {
  begin_with(0);
  const Bytes bytes = stream(0, 1);
  ASSERT_FALSE(receive_cut(bytes, bytes.size() / 2));
  write_as_stranger(kVolumeBytes - kChunkBytes);
  const auto refused = receive(bytes);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().text.find("somebody else wrote"), std::string::npos)
      << refused.error().text;
  const auto report = receive(bytes, {.puts_strangers_back = true});
  ASSERT_TRUE(report) << report.error().text;
  expect_holds(1);
}

TEST_F(DownstreamTest, AnOriginInUseIsBusy) {
  begin_with(0);
  const auto user = server_.open_origin("database");
  const auto refused = receive(stream(0, 1));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kBusy);
  EXPECT_NE(refused.error().text.find("'database'"), std::string::npos) << refused.error().text;
}

TEST_F(DownstreamTest, ASnapshotOfItsOwnWithNothingNewIsNoHindrance) {
  begin_with(0);
  ASSERT_OK(server_.create("local"));
  ASSERT_OK(receive(stream(0, 1)));
  expect_holds(1);
}

TEST_F(DownstreamTest, TheServerMayBeKilledBetweenCutAndResumption) {
  begin_with(0);
  const Bytes bytes = stream(0, 1);
  ASSERT_FALSE(receive_cut(bytes, bytes.size() / 2));
  server_.restart(LiveServer::Ending::kDead);
  ASSERT_OK(receive(bytes));
  expect_holds(0);
  expect_holds(1);
}

TEST_F(DownstreamTest, ABareDeviceRemembersWhatItHolds) {
  const std::string path = state_.file("device");
  std::FILE* const stream_out = std::fopen(path.c_str(), "wb");
  ASSERT_EQ(std::fwrite(images_[0].data(), 1, kVolumeBytes, stream_out), kVolumeBytes);
  std::fclose(stream_out);
  auto device = Downstream::open(path);
  ASSERT_TRUE(device) << device.error().text;
  const Bytes bytes = stream(0, 1);
  {
    CutSource source(bytes, bytes.size() / 2);
    ASSERT_FALSE((*device)->receive(source, {}, context_));
  }
  MemorySource source(bytes, false);
  ASSERT_OK((*device)->receive(source, {}, context_));
  const auto held = (*device)->held();
  ASSERT_TRUE(held && held->size() == 1);
  EXPECT_EQ(held->front().uuid, uuid_of(1));
  const auto file = open_device(path, DeviceAccess::kReadOnly);
  ASSERT_OK(file);
  EXPECT_EQ(content_of(**file), images_[1]);
  MemorySource again(bytes, false);
  EXPECT_FALSE((*device)->receive(again, {.tag = "t"}, context_));
}

}  // namespace
}  // namespace ddsnap::test
