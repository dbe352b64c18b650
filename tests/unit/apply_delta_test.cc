// Shows what apply_delta refuses and when: nothing is written before everything that can be checked
// was checked (D1), only known content is overwritten (D2), and hostile or damaged deltas end in an
// error (D4). A tracing device below proves that no write, zero or discard reached the target.
#include <gtest/gtest.h>

#include "ddsnap/delta/delta_reader.h"
#include "tests/support/delta_world.h"
#include "tests/support/trace_device.h"

namespace ddsnap::test {
namespace {

constexpr std::size_t kSize = 128 << 10;

// A target that is watched.
struct Watched {
  explicit Watched(const Bytes& bytes) : memory(device_of(bytes, "target")), trace(*memory) {}
  std::uint64_t changes() const {
    return trace.count(DeviceOp::kWrite) + trace.count(DeviceOp::kWriteZeroes) +
           trace.count(DeviceOp::kDiscard);
  }
  Bytes bytes() const { return memory->content().to_vector(); }
  std::unique_ptr<MemoryDevice> memory;
  TraceDevice trace;
  MemoryApplyState state;
};

void expect_refused(const Bytes& delta, Watched& target, const std::string& text,
                    const ApplyOptions& options = {}, bool is_pipe = false) {
  const auto report = apply(delta, target.trace, target.state, options, is_pipe);
  ASSERT_FALSE(report) << "applied, but should have said: " << text;
  EXPECT_NE(report.error().text.find(text), std::string::npos) << report.error().text;
  EXPECT_EQ(target.changes(), 0u);
  EXPECT_EQ(target.state.stores_, 0);
}

TEST(ApplyDelta, Timeline8_TwiceIsSaidAndWritesNothing) {
  const Pair pair = make_pair_of_volumes(1, kSize, kSize);
  const Bytes delta = pair.delta(pair.list());
  for (const bool is_pipe : {false, true}) {
    Watched target(pair.old_bytes);
    ASSERT_OK(apply(delta, target.trace, target.state, {}, is_pipe));
    const std::uint64_t changes = target.changes();
    const auto again = apply(delta, target.trace, target.state, {}, is_pipe);
    ASSERT_OK(again);
    EXPECT_EQ(again->outcome, ApplyOutcome::kAlreadyApplied);
    EXPECT_EQ(target.changes(), changes);
    EXPECT_TRUE(target.bytes() == pair.new_bytes);
  }
}

TEST(ApplyDelta, Timeline8_OldDeltaIsRefusedWhenTheTargetMovedOn) {
  // Chunk content goes A, B, A: 0-1 fits again by its hashes and would damage the target silently.
  Pair first = make_pair_of_volumes(2, kSize, kSize);
  first.new_bytes = first.old_bytes;
  first.new_bytes[5000] ^= std::byte{1};
  Pair second = next_pair(first, 3);
  second.new_bytes = first.old_bytes;
  const Bytes delta01 = first.delta(first.list());
  const Bytes delta12 = second.delta(second.list(), {}, 8);
  Watched target(first.old_bytes);
  ASSERT_OK(apply(delta01, target.trace, target.state));
  ASSERT_OK(apply(delta12, target.trace, target.state));
  const auto again = apply(delta01, target.trace, target.state);
  ASSERT_FALSE(again);
  EXPECT_NE(again.error().text.find("was applied before"), std::string::npos);
  EXPECT_TRUE(target.bytes() == second.new_bytes);
  // Never applied here, but the record knows that the target holds another snapshot.
  const Bytes other01 = first.delta(first.list(), {}, 9);
  const auto other = apply(other01, target.trace, target.state);
  ASSERT_FALSE(other);
  EXPECT_NE(other.error().text.find("known to hold snapshot"), std::string::npos);
  EXPECT_TRUE(target.bytes() == second.new_bytes);
  EXPECT_TRUE(apply(other01, target.trace, target.state, {.is_forced = true}));
}

TEST(ApplyDelta, Timeline8_MixWithoutJournalIsRefused) {
  const Pair pair = make_pair_of_volumes(4, kSize, kSize);
  const Changelist list = pair.list();
  Bytes mixed = pair.old_bytes;
  const std::size_t at = std::size_t{list.ranges.front().first.value} << 12;
  std::copy_n(pair.new_bytes.begin() + static_cast<std::ptrdiff_t>(at), 4096,
              mixed.begin() + static_cast<std::ptrdiff_t>(at));
  for (const DeltaMode mode : {DeltaMode::kRaw, DeltaMode::kDifference}) {
    Watched target(mixed);
    expect_refused(pair.delta(list, {.mode = mode}), target, "some chunks hold");
    Watched piped(mixed);
    expect_refused(pair.delta(list, {.mode = mode}), piped, "some chunks hold", {}, true);
  }
}

TEST(ApplyDelta, Timeline13_FullDeltaOverwritesGarbageWhereItIsZero) {
  const Pair pair = make_pair_of_volumes(5, kSize, kSize);
  const Bytes delta = pair.full_delta();
  SeededRandom random(5);
  const Bytes garbage = random_bytes(random, kSize);
  for (const bool is_pipe : {false, true}) {
    Watched target(garbage);
    expect_refused(delta, target, "not empty", {}, is_pipe);
    const auto report = apply(delta, target.trace, target.state, {.is_forced = true}, is_pipe);
    ASSERT_OK(report);
    EXPECT_GT(report->chunks_zeroed, 0u);
    EXPECT_EQ(report->chunks_written + report->chunks_zeroed, kSize >> 12);
    EXPECT_EQ(target.trace.count(DeviceOp::kDiscard), 0u);
    EXPECT_TRUE(target.bytes() == pair.new_bytes);
  }
}

TEST(ApplyDelta, FullDeltaOntoAnEmptyTarget) {
  const Pair pair = make_pair_of_volumes(6, kSize, kSize);
  Watched target{Bytes(kSize)};
  ASSERT_OK(apply(pair.full_delta(), target.trace, target.state));
  EXPECT_TRUE(target.bytes() == pair.new_bytes);
  EXPECT_EQ(target.state.state_.snapshot_uuid, pair.to_uuid);
}

TEST(ApplyDelta, Timeline26_UnknownHashNeedsAProvenBase) {
  const Pair pair = make_pair_of_volumes(7, kSize, kSize);
  Changelist list = pair.list();
  list.before.clear();
  const Bytes delta = pair.delta(list, {.mode = DeltaMode::kRaw}, 7, false);
  for (const bool is_pipe : {false, true}) {
    Watched target(pair.old_bytes);
    expect_refused(delta, target, "does not know what it starts from", {}, is_pipe);
    target.state.state_.snapshot_uuid = pair.to_uuid;
    expect_refused(delta, target, "known to hold snapshot", {}, is_pipe);
    target.state.state_.snapshot_uuid = pair.from_uuid;
    ASSERT_OK(apply(delta, target.trace, target.state, {}, is_pipe));
    EXPECT_TRUE(target.bytes() == pair.new_bytes);

    Watched forced(pair.old_bytes);
    ASSERT_OK(apply(delta, forced.trace, forced.state, {.is_forced = true}, is_pipe));
    EXPECT_TRUE(forced.bytes() == pair.new_bytes);
  }
}

TEST(ApplyDelta, Original26_DivergedTargetIsRefusedWithTheRange) {
  const Pair pair = make_pair_of_volumes(8, kSize, kSize);
  const Changelist list = pair.list();
  Bytes diverged = pair.old_bytes;
  const std::uint32_t chunk = list.ranges.back().first.value;
  diverged[(std::size_t{chunk} << 12) + 77] ^= std::byte{4};
  for (const DeltaMode mode : {DeltaMode::kRaw, DeltaMode::kDifference, DeltaMode::kBest}) {
    const Bytes delta = pair.delta(list, {.mode = mode, .frame_data_bytes = 4096});
    Watched target(diverged);
    expect_refused(delta, target, "chunks " + std::to_string(chunk) + " to ");
    expect_refused(delta, target, "hold neither", {.is_forced = true});
  }
}

TEST(ApplyDelta, PipeStopsAtTheFirstWindowThatDoesNotFit) {
  const Pair pair = make_pair_of_volumes(9, kSize, kSize);
  const Changelist list = pair.list();
  Bytes diverged = pair.old_bytes;
  const std::size_t bad_at = std::size_t{list.ranges.back().first.value} << 12;
  diverged[bad_at] ^= std::byte{4};
  const Bytes delta = pair.delta(list, {.frame_data_bytes = 4096});
  Watched target(diverged);
  const auto report = apply(delta, target.trace, target.state, {.window_bytes = 4096}, true);
  ASSERT_FALSE(report);
  EXPECT_TRUE(target.state.state_.window) << "it is remembered that an apply is unfinished";
  EXPECT_EQ(target.bytes()[bad_at], diverged[bad_at]);
  // Another delta may not run on top of it.
  const Pair other = make_pair_of_volumes(10, kSize, kSize);
  const auto on_top = apply(other.delta(other.list(), {}, 8), target.trace, target.state);
  ASSERT_FALSE(on_top);
  EXPECT_NE(on_top.error().text.find("interrupted"), std::string::npos);
}

TEST(ApplyDelta, UnfinishedApplyIsEndedByAForcedFullDelta) {
  const Pair pair = make_pair_of_volumes(11, kSize, kSize);
  Watched target(pair.old_bytes);
  target.state.state_.window = ApplyWindow{.delta_uuid = pair.from_uuid, .frame_count = 1};
  EXPECT_FALSE(apply(pair.full_delta(), target.trace, target.state));
  ASSERT_OK(apply(pair.full_delta(), target.trace, target.state, {.is_forced = true}));
  EXPECT_TRUE(target.bytes() == pair.new_bytes);
  EXPECT_FALSE(target.state.state_.window);
}

TEST(ApplyDelta, SizesMustFit) {
  const Pair grown = make_pair_of_volumes(12, kSize, 2 * kSize);
  Watched small(grown.old_bytes);
  expect_refused(grown.delta(grown.list()), small, "enlarge it first");
  const Pair pair = make_pair_of_volumes(13, kSize, kSize);
  Watched large{Bytes(kSize + 4096)};
  expect_refused(pair.delta(pair.list()), large, "but the delta is for");
}

TEST(ApplyDelta, NothingChangedStillMovesTheRecordOn) {
  Pair pair = make_pair_of_volumes(14, kSize, kSize);
  pair.new_bytes = pair.old_bytes;
  Changelist list = pair.list();
  EXPECT_EQ(list.chunk_count(), 0u);
  Watched target(pair.old_bytes);
  ASSERT_OK(apply(pair.delta(list), target.trace, target.state));
  EXPECT_EQ(target.state.state_.snapshot_uuid, pair.to_uuid);
  // Listed, because it was rewritten, but with what it held before.
  list.append(ChunkNr{3}, std::nullopt);
  list.from_uuid = pair.to_uuid;
  list.to_uuid = pair.from_uuid;
  ASSERT_OK(apply(pair.delta(list, {}, 8), target.trace, target.state));
  EXPECT_EQ(target.state.state_.snapshot_uuid, pair.from_uuid);
  EXPECT_EQ(target.changes(), 0u);
}

// ---- damage ----

TEST(ApplyDelta, TruncatedAnywhereIsAnErrorBeforeAnyWrite) {
  Pair pair = make_pair_of_volumes(15, 32 << 10, 32 << 10);
  const Bytes delta = pair.delta(pair.list(), {.frame_data_bytes = 8192});
  for (std::size_t length = 0; length < delta.size(); ++length) {
    SCOPED_TRACE("cut to " + std::to_string(length) + " bytes");
    Watched target(pair.old_bytes);
    const Bytes cut(delta.begin(), delta.begin() + static_cast<std::ptrdiff_t>(length));
    const auto report = apply(cut, target.trace, target.state);
    ASSERT_FALSE(report);
    ASSERT_EQ(report.error().code, ErrorCode::kDamaged) << report.error().text;
    ASSERT_EQ(target.changes(), 0u);
    // The same through a pipe: the small delta fits one window, which waits for the trailer.
    ASSERT_FALSE(apply(cut, target.trace, target.state, {}, true));
    ASSERT_EQ(target.changes(), 0u);
  }
}

TEST(ApplyDelta, EverySingleFlippedBitIsAnErrorBeforeAnyWrite) {
  Pair pair = make_pair_of_volumes(16, 16 << 10, 16 << 10);
  // Text only, so that the delta stays small.
  SeededRandom random(16);
  put_text(random, pair.old_bytes);
  pair.new_bytes = pair.old_bytes;
  pair.new_bytes[100] ^= std::byte{1};
  std::fill(pair.new_bytes.begin() + 4096, pair.new_bytes.begin() + 8192, std::byte{0});
  pair.new_bytes[9000] ^= std::byte{1};
  for (const char* codec : {"zstd", "lz4"}) {
    Bytes delta = pair.delta(pair.list(), {.codec = *parse_codec(codec), .frame_data_bytes = 4096});
    for (std::size_t bit = 0; bit < delta.size() * 8; ++bit) {
      SCOPED_TRACE("bit " + std::to_string(bit));
      delta[bit / 8] ^= static_cast<std::byte>(1 << (bit % 8));
      Watched target(pair.old_bytes);
      ASSERT_FALSE(apply(delta, target.trace, target.state));
      ASSERT_FALSE(apply(delta, target.trace, target.state, {}, true));
      ASSERT_EQ(target.changes(), 0u);
      delta[bit / 8] ^= static_cast<std::byte>(1 << (bit % 8));
    }
  }
}

TEST(ApplyDelta, Original24_SwappedPayloadBytesAreFound) {
  const Pair pair = make_pair_of_volumes(17, kSize, kSize);
  Bytes delta = pair.delta(pair.list(), {.mode = DeltaMode::kRaw, .codec = {Codec::kNone, 0}});
  MemorySource source(delta);
  auto reader = DeltaReader::open(source);
  ASSERT_OK(reader);
  const auto frame = reader->next();
  ASSERT_OK(frame);
  const std::size_t payload_at =
      (*frame)->offset_bytes + (*frame)->stored_bytes - (*frame)->payload.size();
  std::size_t other = payload_at + 1;
  while (delta[other] == delta[payload_at]) ++other;
  std::swap(delta[payload_at], delta[other]);
  Watched target(pair.old_bytes);
  expect_refused(delta, target, "hash is wrong");
}

TEST(ApplyDelta, FramesOfAnotherDeltaAreFound) {
  const Pair pair = make_pair_of_volumes(18, kSize, kSize);
  const Bytes one = pair.delta(pair.list(), {.codec = {Codec::kNone, 0}}, 1);
  Bytes other = pair.delta(pair.list(), {.codec = {Codec::kNone, 0}}, 2);
  ASSERT_EQ(one.size(), other.size());
  std::copy(one.begin() + kDeltaHeaderBytes, one.end(), other.begin() + kDeltaHeaderBytes);
  Watched target(pair.old_bytes);
  expect_refused(other, target, "hash is wrong");
}

TEST(ApplyDelta, BytesAfterTheEndAreFound) {
  const Pair pair = make_pair_of_volumes(19, kSize, kSize);
  Bytes delta = pair.delta(pair.list());
  delta.push_back(std::byte{0});
  Watched target(pair.old_bytes);
  expect_refused(delta, target, "goes on after its end");
}

// Hashes and checksums are right here: only the limits stand between the lie and memory.
TEST(ApplyDelta, Original25_OversizedFieldsAreFound) {
  const Pair pair = make_pair_of_volumes(20, kSize, kSize);
  const Bytes delta =
      pair.delta(pair.list(), {.mode = DeltaMode::kRaw, .codec = {Codec::kNone, 0}});
  MemorySource source(delta);
  auto reader = DeltaReader::open(source);
  ASSERT_OK(reader);
  const DeltaHeader header = reader->header();
  const auto frame = reader->next();
  ASSERT_OK(frame);

  const auto refuse_frame = [&](const std::function<void(DeltaFrame&)>& spoil, const char* text) {
    DeltaFrame spoilt = **frame;
    spoil(spoilt);
    Bytes stream = encode_delta_header(header);
    const Bytes bytes = encode_delta_frame(header, spoilt);
    stream.insert(stream.end(), bytes.begin(), bytes.end());
    Watched target(pair.old_bytes);
    expect_refused(stream, target, text);
  };
  refuse_frame([](DeltaFrame& f) { f.data_bytes = 1u << 30; }, "more content than a frame has");
  refuse_frame([](DeltaFrame& f) { f.data_bytes += 4096; }, "sizes contradict");
  refuse_frame([](DeltaFrame& f) { f.entries.resize(5000, f.entries[0]); }, "5000 entries");
  refuse_frame([](DeltaFrame& f) { f.entries.clear(); }, "0 entries");
  refuse_frame([](DeltaFrame& f) { f.entries[0].first = {1u << 31}; }, "beyond the volume");
  refuse_frame([](DeltaFrame& f) { std::swap(f.entries[0], f.entries[1]); }, "do not ascend");
  refuse_frame([](DeltaFrame& f) { f.entries[1].first = f.entries[0].first; }, "do not ascend");
  refuse_frame([](DeltaFrame& f) { f.entries[0].count = 2; }, "a run of chunks");
  refuse_frame([](DeltaFrame& f) { f.entries[0].count = 0; }, "a run of chunks");
  refuse_frame([](DeltaFrame& f) { f.entries[0].before_kind = BeforeKind::kNew; }, "has a value");
  refuse_frame([](DeltaFrame& f) { f.encoding = static_cast<Encoding>(9); }, "encoding 9");
  refuse_frame([](DeltaFrame& f) { f.frame_nr = 3; }, "stands in its place");
  refuse_frame([](DeltaFrame& f) { f.encoding = Encoding::kZstd; }, "sizes contradict");

  const auto refuse_header = [&](const std::function<void(DeltaHeader&)>& spoil, const char* text) {
    DeltaHeader spoilt = header;
    spoil(spoilt);
    Watched target(pair.old_bytes);
    expect_refused(encode_delta_header(spoilt), target, text);
  };
  refuse_header([](DeltaHeader& h) { h.chunk_shift = 40; }, "not supported");
  refuse_header([](DeltaHeader& h) { h.chunk_shift = 0; }, "not supported");
  refuse_header([](DeltaHeader& h) { h.to_bytes = ~0ull; }, "more than 2^32 chunks");
  refuse_header([](DeltaHeader& h) { h.from_bytes = 1ull << 50; }, "more than 2^32 chunks");
  refuse_header([](DeltaHeader& h) { h.frame_data_bytes = 1u << 30; }, "not supported");
  refuse_header([](DeltaHeader& h) { h.frame_data_bytes = 1; }, "not supported");
  refuse_header([](DeltaHeader& h) { h.chunk_count = 1u << 20; }, "more chunks than");
  refuse_header([](DeltaHeader& h) { h.delta_uuid = {}; }, "has no uuid");
  refuse_header([](DeltaHeader& h) { h.from_tag = "a b"; }, "no tag");
}

// A payload that decodes to far more than its frame says: what is announced is all that is made.
TEST(ApplyDelta, DecompressionBombsAreRefused) {
  const Pair pair = make_pair_of_volumes(21, kSize, kSize);
  const Bytes delta = pair.delta(pair.list(), {.mode = DeltaMode::kRaw});
  MemorySource source(delta);
  auto reader = DeltaReader::open(source);
  ASSERT_OK(reader);
  const Bytes zeros(64 << 20);
  for (const char* codec : {"zlib", "zstd", "lz4"}) {
    Compressor compressor(*parse_codec(codec));
    DeltaFrame bomb{.encoding = compressor.encoding(), .data_bytes = kSize};
    for (std::uint32_t chunk = 0; chunk < kSize >> 12; ++chunk)
      bomb.entries.push_back({.first = {chunk}, .after = {chunk}});
    bomb.payload = *compressor.compress(std::span(zeros).first(
        bomb.encoding == Encoding::kLz4 ? std::size_t{16} << 20 : zeros.size()));
    ASSERT_FALSE(bomb.payload.empty());
    ASSERT_LT(bomb.payload.size(), kSize) << "made to pass for a frame";
    Bytes stream = encode_delta_header(reader->header());
    const Bytes bytes = encode_delta_frame(reader->header(), bomb);
    stream.insert(stream.end(), bytes.begin(), bytes.end());
    Watched target(pair.old_bytes);
    expect_refused(stream, target, "does not decompress", {.is_forced = true});
  }
}

TEST(ApplyDelta, DryRunChecksEverythingAndWritesNothing) {
  const Pair pair = make_pair_of_volumes(22, kSize, kSize);
  const Bytes delta = pair.delta(pair.list());
  for (const bool is_pipe : {false, true}) {
    Watched target(pair.old_bytes);
    const auto report = apply(delta, target.trace, target.state, {.is_dry_run = true}, is_pipe);
    ASSERT_OK(report);
    EXPECT_EQ(report->outcome, ApplyOutcome::kWouldApply);
    EXPECT_EQ(target.changes() + static_cast<std::uint64_t>(target.state.stores_), 0u);
    Bytes foreign = pair.old_bytes;
    const std::size_t at = std::size_t{pair.list().ranges.back().first.value} << 12;
    foreign[at] ^= std::byte{1};
    Watched other(foreign);
    expect_refused(delta, other, "hold neither", {.is_dry_run = true}, is_pipe);
  }
}

}  // namespace
}  // namespace ddsnap::test
