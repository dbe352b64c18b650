// The micro-scenarios of the original tool, over the userspace targets and a real server on files:
// after every single step the origin and every snapshot are compared, whole, with shadow images.
// The files are full of noise before they are initialised. And the original's autodelete tests: a
// snapstore too small for what is written, with targets open on the victims.
//
// A scenario is a line of steps:
//   +T        create snapshot T               -T        close the target of T and delete it
//   o:C       write chunk C of the origin     T:C       write chunk C of snapshot T
//   o:A-B     write chunks A to B at once     o:C/      write the middle of C only (also T:C/)
//   close     close all targets and open them anew
//   stop      stop the server cleanly, start it; the targets stay open
//   kill      the same, as if by kill -9
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <sstream>

#include "ddsnap/wire/deadline.h"
#include "tests/support/live_server.h"

namespace ddsnap::test {
namespace {

constexpr std::uint32_t kChunks = 16;

struct Scenario {
  const char* name;
  const char* steps;
};

constexpr Scenario kScenarios[] = {
    {"OriginWriteWithoutSnapshot", "o:0 o:15 o:0"},
    {"SnapshotOfAnUntouchedOrigin", "+0 close"},
    {"OriginWrite", "+0 o:3"},
    {"SnapshotWrite", "+0 0:3"},
    {"RepeatedOriginWrite", "+0 o:3 o:3 o:3"},
    {"RepeatedSnapshotWrite", "+0 0:3 0:3 0:3"},
    {"OriginThenSnapshotOnOneChunk", "+0 o:3 0:3"},
    {"SnapshotThenOriginOnOneChunk", "+0 0:3 o:3"},
    {"InterleavedOnOneChunk", "+0 o:3 0:3 o:3 0:3 o:3"},
    {"SecondSnapshotAfterOriginWrite", "+0 o:3 +1 o:3"},
    {"SecondSnapshotAfterSnapshotWrite", "+0 0:3 +1 o:3 1:3"},
    {"SecondSnapshotAfterBoth", "+0 o:3 0:3 +1 0:3 o:3 1:3"},
    {"LaterSnapshotWrittenWhenTheEarlierIsPrivate", "+0 +1 0:3 1:3"},
    {"EarlierSnapshotWrittenWhenTheLaterIsPrivate", "+0 +1 1:3 0:3"},
    {"OriginWriteAfterAPrivateEarlierSnapshot", "+0 +1 0:3 o:3 1:3"},
    {"OriginWriteSharedByTwo", "+0 +1 o:3 0:3 1:3"},
    {"ThreeShared", "+0 +1 +2 o:3"},
    {"ThreeSharedThenEachWritten", "+0 +1 +2 o:3 1:3 0:3 2:3 o:3"},
    {"ThreeUnshared", "+0 o:3 +1 o:3 +2 o:3"},
    {"TwoSharedOneNot", "+0 +1 o:3 +2 o:3 1:3 2:3"},
    {"OneUnsharedTwoShared", "+0 o:3 +1 +2 o:3 2:3 0:3"},
    {"PartsOfChunks", "+0 o:3/ 0:3/ o:4/ +1 o:3/ 1:4/ 1:15/ o:15/"},
    {"RunsOfChunks", "+0 o:2-9 +1 o:0-5 0:4-11 o:0-15 1:0-15"},
    {"StopAndRestartWithAllDevices", "+0 o:3 0:4 +1 o:3-5 1:6 stop o:3 0:7 close o:7 stop close"},
    {"KillAndRestartWithAllDevices", "+0 o:3 0:4 kill +1 o:3-5 1:6 kill o:3 0:7 kill close"},
    {"DeleteOldest", "+0 o:0-3 +1 o:2-5 +2 o:4-7 1:2 -0 o:8 1:0 -1 o:0-15"},
    {"DeleteNewest", "+0 o:0-3 +1 o:2-5 +2 o:4-7 1:2 -2 o:8 1:0 -1 o:0-15"},
    {"DeleteAllAndBeginAnew", "+0 o:0-3 +1 o:2-5 1:1 -1 -0 o:0-15 +0 o:3 0:4 stop"},
    {"DeletePatternsOfFour",
     "+0 o:0-7 +1 o:2-9 +2 o:4-11 +3 o:6-13 1:3 2:3 -1 o:0-15 0:2 -2 3:6 o:6 +4 o:0-15 kill -0 "
     "o:1 4:1 3:0 -4 o:2 +1 o:2 -3 close o:0-15"},
};
static_assert(std::size(kScenarios) == 29);

// What every device must hold, and the targets through which it is compared.
class World {
 public:
  explicit World(const LiveServer::Shape& shape)
      : server_(shape), random_(shape.seed), origin_(server_.open_origin("origin")) {
    origin_image_ = server_.raw_origin();
  }

  void run(const std::string& step) {
    if (step == "stop") return server_.restart(LiveServer::Ending::kClean);
    if (step == "kill") return server_.restart(LiveServer::Ending::kDead);
    if (step == "close") return reopen();
    if (step[0] == '+') return create(step.substr(1));
    if (step[0] == '-') return remove(step.substr(1));
    const auto colon = step.find(':');
    ASSERT_NE(colon, std::string::npos) << step;
    write(step.substr(0, colon), step.substr(colon + 1));
  }

  // Empty: every device holds what it must.
  std::string wrong() {
    if (const auto text = differs(read(*origin_), origin_image_); !text.empty())
      return "origin: " + text;
    if (const auto text = differs(server_.raw_origin(), origin_image_); !text.empty())
      return "origin's own file: " + text;
    for (auto& [tag, snapshot] : snapshots_)
      if (const auto text = differs(read(*snapshot.target), snapshot.image); !text.empty())
        return "snapshot " + tag + ": " + text;
    return {};
  }

 private:
  using Bytes = std::vector<std::byte>;
  struct Snapshot {
    std::unique_ptr<SnapshotTarget> target;
    Bytes image;
  };

  void open(const std::string& tag) {
    auto target = server_.open_snapshot(tag);
    ASSERT_TRUE(target) << target.error().message();
    snapshots_[tag].target = *std::move(target);
  }
  void create(const std::string& tag) {
    // After a restart the volume is busy until its targets are back, which takes what it takes.
    const Deadline deadline = Deadline::after_ms(30'000);
    Status created = server_.create(tag);
    while (!created && created.error().code == ErrorCode::kBusy && !deadline.has_passed())
      created = server_.create(tag);
    ASSERT_TRUE(created) << created.error().message();
    open(tag);
    snapshots_[tag].image = origin_image_;
  }
  void remove(const std::string& tag) {
    snapshots_.erase(tag);
    const Status removed = server_.remove(tag);
    ASSERT_TRUE(removed) << removed.error().message();
  }
  void reopen() {
    origin_.reset();
    origin_ = server_.open_origin("origin");
    for (auto& [tag, snapshot] : snapshots_) {
      snapshot.target.reset();
      open(tag);
    }
  }
  void write(const std::string& device, const std::string& where) {
    unsigned first = 0;
    unsigned last = 0;
    if (std::sscanf(where.c_str(), "%u-%u", &first, &last) != 2) last = first;
    ASSERT_LT(last, kChunks);
    const std::uint64_t chunk_bytes = std::uint64_t{1} << server_.shape().chunk_shift;
    std::uint64_t begin = first * chunk_bytes;
    std::uint64_t end = std::min<std::uint64_t>((last + 1) * chunk_bytes, origin_image_.size());
    if (where.back() == '/') {
      begin += 512;
      end -= 1024;
    }
    Bytes bytes(end - begin);
    random_.fill(bytes);
    const bool is_origin = device == "o";
    const Status written = is_origin ? origin_->write(begin, bytes, Durability::kLater)
                                     : snapshots_.at(device).target->write(begin, bytes);
    ASSERT_TRUE(written) << written.error().message();
    Bytes& image = is_origin ? origin_image_ : snapshots_.at(device).image;
    std::ranges::copy(bytes, image.begin() + static_cast<std::ptrdiff_t>(begin));
  }
  template <class Target>
  Bytes read(Target& target) {
    Bytes bytes(origin_image_.size());
    const Status status = target.read(0, bytes);
    EXPECT_TRUE(status) << status.error().message();
    return bytes;
  }
  std::string differs(const Bytes& is, const Bytes& must) const {
    const auto at = std::ranges::mismatch(is, must).in1;
    if (at == is.end()) return {};
    const auto offset = static_cast<std::uint64_t>(at - is.begin());
    return fmt::format("chunk {} differs (byte {})", offset >> server_.shape().chunk_shift, offset);
  }

  LiveServer server_;
  SeededRandom random_;
  std::unique_ptr<OriginTarget> origin_;
  Bytes origin_image_;
  std::map<std::string, Snapshot> snapshots_;
};

class Microscenarios : public ::testing::TestWithParam<Scenario> {
 protected:
  static void play(const LiveServer::Shape& shape) {
    World world(shape);
    std::istringstream steps(GetParam().steps);
    int number = 0;
    for (std::string step; steps >> step; ++number) {
      SCOPED_TRACE(fmt::format("step {}: {} of '{}'", number, step, GetParam().steps));
      world.run(step);
      if (::testing::Test::HasFatalFailure()) return;
      ASSERT_EQ(world.wrong(), "");
    }
  }
};

TEST_P(Microscenarios, EveryDeviceHoldsItsShadow) {
  play({.origin_bytes = kChunks << 14, .snapstore_bytes = 4u << 20, .chunk_shift = 14, .seed = 11});
}

TEST_P(Microscenarios, SmallChunksAndAShortLastOne) {
  play({.origin_bytes = (kChunks << 12) - 2048,
        .snapstore_bytes = 2u << 20,
        .chunk_shift = 12,
        .seed = 12});
}

INSTANTIATE_TEST_SUITE_P(All, Microscenarios, ::testing::ValuesIn(kScenarios),
                         [](const auto& info) { return info.param.name; });

// ---- a snapstore that is too small ----

constexpr std::uint64_t kOriginBytes = 8u << 20;
constexpr std::uint64_t kChunkBytes = 16384;

class Autodelete : public ::testing::Test {
 protected:
  // Errno of the first failed write; 0: the whole origin was written.
  int overwrite_all() {
    std::vector<std::byte> bytes(16 * kChunkBytes);
    for (std::uint64_t at = 0; at < kOriginBytes; at += bytes.size()) {
      random_.fill(bytes);
      const Status written = origin_->write(at, bytes, Durability::kLater);
      if (!written) return written.error().sys_errno != 0 ? written.error().sys_errno : -1;
    }
    return 0;
  }
  BoundaryState state(const std::string& tag) {
    const auto entry = server_.entry(tag);
    EXPECT_TRUE(entry) << entry.error().message();
    return entry ? entry->state : BoundaryState::kBookmark;
  }
  // First bytes of the snapshot against the origin as it is now.
  bool is_like_origin(SnapshotTarget& snapshot) {
    std::vector<std::byte> bytes(kOriginBytes);
    EXPECT_TRUE(snapshot.read(0, bytes));
    return bytes == server_.raw_origin();
  }

  SeededRandom random_{21};
  LiveServer server_{{.origin_bytes = kOriginBytes, .snapstore_bytes = 4u << 20, .seed = 21}};
  std::unique_ptr<OriginTarget> origin_ = server_.open_origin("origin");
};

TEST_F(Autodelete, OverfillingDropsTheSnapshotAndItsTargetsSayErrors) {
  ASSERT_TRUE(server_.create("0"));
  auto snapshot = server_.open_snapshot("0");
  ASSERT_TRUE(snapshot) << snapshot.error().message();
  std::vector<std::byte> chunk(kChunkBytes);
  ASSERT_TRUE((*snapshot)->read(0, chunk));
  EXPECT_EQ(overwrite_all(), 0) << "the writers of the origin go on";
  EXPECT_EQ(state("0"), BoundaryState::kDropped);
  EXPECT_FALSE((*snapshot)->read(0, chunk));
  EXPECT_FALSE((*snapshot)->write(0, chunk));
  const auto again = server_.open_snapshot("0");
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::kDropped);

  // With its slots free a new one is whole.
  ASSERT_TRUE(server_.create("1"));
  auto next = server_.open_snapshot("1");
  ASSERT_TRUE(next);
  EXPECT_TRUE(is_like_origin(**next));
  random_.fill(chunk);
  ASSERT_TRUE(origin_->write(0, chunk, Durability::kLater));
  EXPECT_FALSE(is_like_origin(**next));
  EXPECT_EQ(state("1"), BoundaryState::kLive);
}

TEST_F(Autodelete, OldestOfEqualsGoesAndTheYoungerStaysRight) {
  ASSERT_TRUE(server_.create("0"));
  std::vector<std::byte> half(kOriginBytes / 8);
  random_.fill(half);
  ASSERT_TRUE(origin_->write(0, half, Durability::kLater));
  const std::vector<std::byte> image = server_.raw_origin();
  ASSERT_TRUE(server_.create("1"));
  auto younger = server_.open_snapshot("1");
  ASSERT_TRUE(younger);
  // The first chunks anew, and more of them than there are slots left beside 0's.
  for (std::uint64_t at = 0; at + half.size() <= 3 * half.size(); at += half.size()) {
    random_.fill(half);
    const Status written = origin_->write(at, half, Durability::kLater);
    ASSERT_TRUE(written) << written.error().message();
    if (state("0") != BoundaryState::kLive) break;
  }
  if (state("1") == BoundaryState::kLive) {
    std::vector<std::byte> bytes(kOriginBytes);
    ASSERT_TRUE((*younger)->read(0, bytes));
    EXPECT_EQ(bytes, image);
  }
  EXPECT_TRUE(state("1") == BoundaryState::kLive || state("0") != BoundaryState::kLive)
      << "the younger was given up before the older";
}

TEST_F(Autodelete, NothingMayBeDroppedSoWritesFailUntilOneIsFreed) {
  ASSERT_TRUE(server_.create("keep", 127));
  EXPECT_EQ(overwrite_all(), ENOSPC);
  EXPECT_EQ(state("keep"), BoundaryState::kLive);
  auto snapshot = server_.open_snapshot("keep");
  ASSERT_TRUE(snapshot);
  std::vector<std::byte> chunk(kChunkBytes);
  ASSERT_TRUE((*snapshot)->read(0, chunk));
  const auto busy = server_.remove("keep");
  ASSERT_FALSE(busy);
  EXPECT_EQ(busy.error().code, ErrorCode::kBusy);
  snapshot->reset();
  ASSERT_TRUE(server_.remove("keep"));
  EXPECT_EQ(overwrite_all(), 0);
  ASSERT_TRUE(server_.create("next"));
  auto next = server_.open_snapshot("next");
  ASSERT_TRUE(next);
  EXPECT_TRUE(is_like_origin(**next));
}

}  // namespace
}  // namespace ddsnap::test
