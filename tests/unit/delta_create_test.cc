// Shows what create_delta refuses (D5, TIMELINES 16): the wrong device in either place, sizes that
// differ from the list's, a list up to "now"; what it marks when nothing can be proven; that its
// bytes do not depend on threads and memory, that holes cost nothing, and how it is interrupted.
#include "ddsnap/delta/create_delta.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "ddsnap/io/file_device.h"
#include "tests/support/delta_world.h"
#include "tests/support/fault_device.h"
#include "tests/support/temp_dir.h"

namespace ddsnap::test {
namespace {

constexpr std::size_t kSize = 128 << 10;

Result<CreateDeltaReport> create(const Changelist& list, BlockDevice* from, BlockDevice& to,
                                 DeltaMode mode = DeltaMode::kBest) {
  SeededRandom random(1);
  MemorySink sink;
  return create_delta(list, from, to, {.mode = mode}, random, sink);
}

template <class Report>
void expect_error(const Result<Report>& result, const std::string& text) {
  ASSERT_FALSE(result) << "should have said: " << text;
  EXPECT_NE(result.error().text.find(text), std::string::npos) << result.error().text;
}

TEST(CreateDelta, Timeline16_WrongOldDeviceIsFoundByItsHashes) {
  const Pair pair = make_pair_of_volumes(1, kSize, kSize);
  const Changelist list = pair.list();
  const auto to = device_of(pair.new_bytes, "new");
  const auto swapped = create(list, to.get(), *to);
  const std::string first = std::to_string(list.ranges.front().first.value);
  expect_error(swapped, "new is not snapshot 'a' of the changelist: chunks " + first + " to ");
}

TEST(CreateDelta, Timeline16_ProvenSnapshotsAreComparedWithTheList) {
  const Pair pair = make_pair_of_volumes(2, kSize, kSize);
  const Changelist list = pair.list();
  const auto from = device_of(pair.old_bytes, "old");
  const auto to = device_of(pair.new_bytes, "new");
  const auto unproven = create(list, from.get(), *to);
  ASSERT_OK(unproven);
  EXPECT_FALSE(unproven->header.from_is_proven);
  EXPECT_FALSE(unproven->header.to_is_proven);

  from->set_proven_snapshot_uuid(pair.from_uuid.to_string());
  to->set_proven_snapshot_uuid(pair.to_uuid.to_string());
  const auto proven = create(list, from.get(), *to);
  ASSERT_OK(proven);
  EXPECT_TRUE(proven->header.from_is_proven);
  EXPECT_TRUE(proven->header.to_is_proven);

  // Snapshot 2 in place of 1: its hashes "from" fit, and nothing else would tell.
  to->set_proven_snapshot_uuid(pair.from_uuid.to_string());
  expect_error(create(list, from.get(), *to), "but the changelist names 'b'");
  to->set_proven_snapshot_uuid(pair.to_uuid.to_string());
  from->set_proven_snapshot_uuid(pair.to_uuid.to_string());
  expect_error(create(list, from.get(), *to), "but the changelist names 'a'");
}

TEST(CreateDelta, Timeline16_NowIsNoSnapshot) {
  const Pair pair = make_pair_of_volumes(3, kSize, kSize);
  Changelist list = pair.list();
  list.to_is_now = true;
  const auto from = device_of(pair.old_bytes);
  const auto to = device_of(pair.new_bytes);
  expect_error(create(list, from.get(), *to), "no snapshot");
}

TEST(CreateDelta, Timeline16_LiveOriginIsRefused) {
  const Pair pair = make_pair_of_volumes(3, kSize, kSize);
  const auto from = device_of(pair.old_bytes);
  const auto to = device_of(pair.new_bytes, "origin");
  to->set_proven_snapshot_uuid(Uuid{}.to_string());
  expect_error(create(pair.list(), from.get(), *to), "origin is a live origin and no instant");
  const ChunkGeometry geometry{.volume_bytes = kSize};
  expect_error(create(full_changelist(geometry, {}, {}), nullptr, *to), "is a live origin");
}

TEST(CreateDelta, SizesMustBeTheLists) {
  const Pair pair = make_pair_of_volumes(4, kSize, kSize);
  const Changelist list = pair.list();
  const auto from = device_of(pair.old_bytes);
  const auto to = device_of(pair.new_bytes);
  MemoryDevice other(kSize + 4096, "other");
  expect_error(create(list, &other, *to), "other has");
  expect_error(create(list, from.get(), other), "other has");
}

TEST(CreateDelta, DifferencesNeedTheOldDevice) {
  const Pair pair = make_pair_of_volumes(5, kSize, kSize);
  const auto to = device_of(pair.new_bytes);
  expect_error(create(pair.list(), nullptr, *to, DeltaMode::kDifference), "needs the old device");
  ASSERT_OK(create(pair.list(), nullptr, *to, DeltaMode::kRaw));
}

TEST(CreateDelta, EveryReadErrorIsAnError) {
  const Pair pair = make_pair_of_volumes(6, 4 << 20, 4 << 20);
  const Changelist list = pair.list();
  const auto from = device_of(pair.old_bytes);
  const auto to = device_of(pair.new_bytes);
  for (const bool is_old : {false, true}) {
    for (std::uint64_t n = 0;; ++n) {
      FaultDevice failing(is_old ? *from : *to);
      failing.inject({.after = n});
      const auto result = is_old ? create(list, &failing, *to) : create(list, from.get(), failing);
      ASSERT_EQ(result.has_value(), failing.fired() == 0);
      if (failing.fired() == 0) break;
      EXPECT_TRUE(is_injected(result.error())) << result.error().text;
    }
  }
}

TEST(CreateDelta, Timeline16_InReverseEitherWrongDeviceIsFound) {
  const Pair pair = make_pair_of_volumes(8, kSize, kSize);
  const auto from = device_of(pair.old_bytes, "old");
  const auto to = device_of(pair.new_bytes, "new");
  SeededRandom random(1);
  MemorySink sink;
  WorkContext context;
  const CreateDeltaOptions back{.is_reverse = true};
  // The list knows what the old side holds, which is what the delta leads to.
  expect_error(create_delta(pair.list(), to.get(), to.get(), back, random, sink, context),
               "new is not snapshot 'a' of the changelist");
  from->set_proven_snapshot_uuid(pair.from_uuid.to_string());
  to->set_proven_snapshot_uuid(pair.from_uuid.to_string());
  expect_error(create_delta(pair.list(), from.get(), to.get(), back, random, sink, context),
               "but the changelist names 'b'");
  const Changelist full = full_changelist({.volume_bytes = kSize}, {}, {});
  expect_error(create_delta(full, nullptr, to.get(), back, random, sink, context), "no older side");
}

TEST(CreateDelta, BytesDependOnNeitherThreadsNorMemory) {
  const Pair pair = make_pair_of_volumes(9, 12 << 20, 13 << 20);
  const auto from = device_of(pair.old_bytes);
  const auto to = device_of(pair.new_bytes);
  // What is not compressed goes another way.
  const CreateDeltaOptions ways[] = {
      {}, {.mode = DeltaMode::kRaw, .codec = {.codec = Codec::kNone, .level = 0}}};
  for (const CreateDeltaOptions& options : ways) {
    Bytes first;
    for (const unsigned workers : {0u, 1u, 2u, 5u}) {
      for (const std::size_t memory_bytes : {kMinWorkMemoryBytes, kDefaultWorkMemoryBytes}) {
        WorkContext context;
        context.workers = workers;
        context.memory_bytes = memory_bytes;
        SeededRandom random(1);
        MemorySink sink;
        ASSERT_OK(create_delta(pair.list(), from.get(), to.get(), options, random, sink, context));
        if (first.empty()) first = sink.bytes();
        EXPECT_TRUE(sink.bytes() == first) << workers << " threads, " << memory_bytes << " bytes";
      }
    }
  }
}

// Reads fail one after the other, by whichever thread.
TEST(CreateDelta, UncompressedItTellsAFailedRead) {
  const Pair pair = make_pair_of_volumes(12, 8 << 20, 8 << 20);
  const auto from = device_of(pair.old_bytes);
  bool is_through = false;
  for (std::uint64_t after = 0; !is_through; after += 1 + after / 4) {
    const auto content = device_of(pair.new_bytes, "new");
    FaultDevice to(*content);
    to.inject({.op = DeviceOp::kRead, .after = after});
    SeededRandom random(1);
    MemorySink sink;
    WorkContext context;
    context.workers = 3;
    const auto made =
        create_delta(pair.list(), from.get(), &to,
                     {.mode = DeltaMode::kRaw, .codec = {.codec = Codec::kNone, .level = 0}},
                     random, sink, context);
    is_through = made.has_value();
    EXPECT_EQ(is_through, to.fired() == 0);
    if (!made) {
      EXPECT_TRUE(is_injected(made.error())) << made.error().text;
    }
  }
}

// A tebibyte of which three chunks are there: read in a moment, and no larger than they are.
TEST(CreateDelta, HolesCostNothing) {
  const TempDir dir;
  const std::string path = dir.file("sparse");
  std::ofstream(path).flush();
  std::filesystem::resize_file(path, (std::uint64_t{1} << 40) + 512);
  auto device = FileDevice::open(path, {.access = DeviceAccess::kReadWrite});
  ASSERT_OK(device);
  SeededRandom random(3);
  const Bytes content = random_bytes(random, 16384);
  for (const std::uint64_t offset :
       {std::uint64_t{0}, std::uint64_t{5} << 30, std::uint64_t{777} << 30})
    ASSERT_OK((*device)->write_at(offset, content));
  const Changelist list = full_changelist({.volume_bytes = (*device)->size_bytes()}, {}, "b");
  MemorySink sink;
  const auto made = create_delta(list, nullptr, **device, {}, random, sink);
  ASSERT_OK(made);
  EXPECT_EQ(made->totals.chunks, (1u << 26) + 1);
  EXPECT_EQ(made->totals.data_chunks, 3u);
  EXPECT_EQ(made->totals.zero_chunks, (1u << 26) - 2);
  EXPECT_LT(sink.bytes().size(), 3 * content.size() + (40 << 10));
}

// Listed though nothing changed: named as unchanged, or left out.
TEST(CreateDelta, TrimmedOfWhatDidNotChange) {
  const Pair pair = make_pair_of_volumes(12, 2 << 20, (2 << 20) + 512);
  Changelist all = pair.list();
  const std::uint64_t changed = all.chunk_count();
  all.before.clear();
  all.ranges = {{{0}, static_cast<std::uint32_t>(all.to_geometry().chunk_count())}};
  const auto from = device_of(pair.old_bytes);
  const auto to = device_of(pair.new_bytes);
  for (const DeltaMode mode : {DeltaMode::kRaw, DeltaMode::kBest}) {
    SeededRandom random(1);
    MemorySink whole, trimmed;
    const auto made = create_delta(all, from.get(), *to, {.mode = mode}, random, whole);
    ASSERT_OK(made);
    EXPECT_EQ(made->totals.same_chunks, all.chunk_count() - changed);
    const auto less =
        create_delta(all, from.get(), *to, {.mode = mode, .is_trimmed = true}, random, trimmed);
    ASSERT_OK(less);
    EXPECT_EQ(less->totals.chunks, changed);
    EXPECT_EQ(less->totals.same_chunks, 0u);
    EXPECT_EQ(less->header.chunk_count, all.chunk_count());
    EXPECT_LT(trimmed.bytes().size(), whole.bytes().size());
    Bytes before = pair.old_bytes;
    before.resize(pair.new_bytes.size());
    const auto target = device_of(before);
    MemoryApplyState state;
    ASSERT_OK(apply(trimmed.bytes(), *target, state));
    EXPECT_TRUE(target->content().to_vector() == pair.new_bytes);
  }
}

// What moved over a distance that a long frame covers and an ordinary one does not.
TEST(CreateDelta, LongFramesFindWhatMoved) {
  constexpr std::size_t kHalf = 3 << 20;
  SeededRandom random(13);
  Pair pair;
  pair.to_uuid = Uuid::make(random);
  pair.old_bytes = random_bytes(random, 2 * kHalf);
  pair.new_bytes = pair.old_bytes;
  std::rotate(pair.new_bytes.begin(), pair.new_bytes.begin() + kHalf, pair.new_bytes.end());
  const Changelist list = pair.list();
  const CreateDeltaOptions options{.mode = DeltaMode::kDifference};
  CreateDeltaOptions long_options = options;
  long_options.frame_data_bytes = 8 << 20;
  EXPECT_GT(pair.delta(list, options).size(), 2 * kHalf);
  const Bytes delta = pair.delta(list, long_options);
  EXPECT_LT(delta.size(), 2 * kHalf / 8);
  for (const bool is_pipe : {false, true}) {
    const auto target = device_of(pair.old_bytes);
    MemoryApplyState state;
    ASSERT_OK(apply(delta, *target, state, {}, is_pipe));
    EXPECT_TRUE(target->content().to_vector() == pair.new_bytes);
  }
}

TEST(CreateDelta, LongFramesNeedTheirMemory) {
  const Pair pair = make_pair_of_volumes(14, kSize, kSize);
  const auto from = device_of(pair.old_bytes);
  const auto to = device_of(pair.new_bytes);
  WorkContext context;
  context.memory_bytes = kMinWorkMemoryBytes;
  SeededRandom random(1);
  MemorySink sink;
  const CreateDeltaOptions options{.frame_data_bytes = kMaxLongFrameDataBytes};
  expect_error(create_delta(pair.list(), from.get(), to.get(), options, random, sink, context),
               "they need --memory 640M");
}

// Whoever applies it says how much memory there is; what needs more is refused before anything.
TEST(CreateDelta, TheLongestFramesAreAppliedWhereThereIsMemoryForThem) {
  const Pair pair = make_pair_of_volumes(15, 4 << 20, 4 << 20);
  const auto from = device_of(pair.old_bytes);
  const auto to = device_of(pair.new_bytes);
  WorkContext context{.workers = 2};
  context.memory_bytes = 5 * std::size_t{kMaxLongFrameDataBytes};
  SeededRandom random(15);
  MemorySink sink;
  const CreateDeltaOptions options{.mode = DeltaMode::kDifference,
                                   .frame_data_bytes = kMaxLongFrameDataBytes};
  ASSERT_OK(create_delta(pair.list(), from.get(), to.get(), options, random, sink, context));
  const auto target = device_of(pair.old_bytes);
  MemoryApplyState state;
  const auto apply_here = [&] {
    MemorySource source(sink.bytes());
    return apply_delta(source, *target, state, {}, context);
  };
  context.memory_bytes -= 1;
  expect_error(apply_here(), "they need --memory 640M");
  EXPECT_EQ(state.stores_, 0);
  context.memory_bytes += 1;
  ASSERT_OK(apply_here());
  EXPECT_TRUE(target->content().to_vector() == pair.new_bytes);
}

TEST(CreateDelta, InterruptedItLeavesNothing) {
  const Pair pair = make_pair_of_volumes(10, 8 << 20, 8 << 20);
  const auto from = device_of(pair.old_bytes);
  const auto to = device_of(pair.new_bytes);
  const TempDir dir;
  // Interrupts after so many jobs were told.
  struct Interrupter final : ProgressListener {
    void on_progress(const WorkProgress& progress) override {
      EXPECT_LE(progress.chunks_done, progress.chunks_total);
      const std::uint64_t one = 1;
      if (--jobs_left == 0) {
        EXPECT_EQ(::write(event, &one, sizeof one), 8);
      }
    }
    int event = ::eventfd(0, EFD_CLOEXEC);
    int jobs_left = 1;
  } interrupter;
  WorkContext context;
  context.interruption = Interruption(UniqueFd(interrupter.event));
  context.progress = &interrupter;
  SeededRandom random(1);
  {
    auto sink = open_sink(dir.file("delta"));
    ASSERT_OK(sink);
    const auto made = create_delta(pair.list(), from.get(), to.get(), {}, random, **sink, context);
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, ErrorCode::kInterrupted);
  }
  EXPECT_TRUE(std::filesystem::is_empty(dir.path()));
}

TEST(CreateDelta, TellsItsProgressToTheEnd) {
  const Pair pair = make_pair_of_volumes(11, 4 << 20, 4 << 20);
  const auto from = device_of(pair.old_bytes);
  const auto to = device_of(pair.new_bytes);
  struct Last final : ProgressListener {
    void on_progress(const WorkProgress& progress) override { last = progress; }
    WorkProgress last;
  } listener;
  WorkContext context;
  context.progress = &listener;
  SeededRandom random(1);
  MemorySink sink;
  const Changelist list = pair.list();
  ASSERT_OK(create_delta(list, from.get(), to.get(), {}, random, sink, context));
  EXPECT_EQ(listener.last.chunks_done, list.chunk_count());
  EXPECT_EQ(listener.last.chunks_total, list.chunk_count());
  EXPECT_EQ(listener.last.chunk_bytes, 4096u);
  EXPECT_EQ(listener.last.address_bytes, list.ranges.back().end() << 12);
}

TEST(CreateDelta, BlocksLargerThanChunksAreRefused) {
  const Pair pair = make_pair_of_volumes(7, kSize, kSize);
  const auto from = device_of(pair.old_bytes);
  MemoryDevice coarse({.size_bytes = kSize, .block_bytes = 8192}, cow(pair.new_bytes));
  expect_error(create(pair.list(), from.get(), coarse), "more than a chunk");
}

}  // namespace
}  // namespace ddsnap::test
