// TIMELINES 7: an apply that is interrupted at any write or flush, power cut included, is run again
// and ends in the right state. The target is a simulated disk whose unflushed writes are kept,
// dropped or torn; the apply journal is replaced as a whole or not at all, and the power also goes
// before and after each such replacement. Raw and difference deltas, differences that change a part
// of a chunk, long frames, full ones, deltas that do not fit the memory, from file and pipe.
// Shown to test something: without the target's flushes, or with a journal that forgets its window,
// some outcome is not repaired.
#include <gtest/gtest.h>

#include "tests/support/crashing_apply_state.h"
#include "tests/support/delta_world.h"
#include "tests/support/fault_device.h"
#include "tests/support/sim_device.h"

namespace ddsnap::test {
namespace {

constexpr std::size_t kMaxImages = 6;
constexpr std::size_t kWindowBytes = 16 << 10;

struct Job {
  Pair pair;
  Bytes delta;
  Bytes target_before;
  ApplyOptions options{.window_bytes = kWindowBytes};
  bool is_pipe = false;
  std::size_t memory_bytes = kDefaultWorkMemoryBytes;

  Result<ApplyReport> run(BlockDevice& target, ApplyState& state, const ApplyOptions& how) const {
    return apply(delta, target, state, how, is_pipe, memory_bytes);
  }
};

enum class Sabotage { kNone, kFlushes, kJournal };

// Where the power goes: at an operation of the target, or at a store of the journal.
struct Cut {
  std::uint64_t at_operation = UINT64_MAX;
  int at_store = -1;
  bool store_lands = false;
};

// The rerun after one outcome of the power cut: itself interrupted once, then to the end.
bool is_repaired(const Job& job, const SimImage& image, const TargetState& state,
                 std::uint64_t again_at) {
  SimWorld second(image, 1);
  second.crash_at_operation(again_at);
  CrashingApplyState second_state(second, state);
  const ApplyOptions options{.window_bytes = kWindowBytes};
  const auto second_result = job.run(second.device(0), second_state, options);
  if (!second_result && !second.crashed()) return false;
  const SimImage last = second.crash_images(2).front();
  SimWorld third(last, 2);
  CrashingApplyState third_state(third, second_state.state_);
  if (!job.run(third.device(0), third_state, options)) return false;
  return third.device(0).durable_content().to_vector() == job.pair.new_bytes &&
         third_state.state_.snapshot_uuid == job.pair.to_uuid && !third_state.state_.window;
}

struct Outcome {
  bool was_cut = false;
  int failures = 0;
};

Outcome run_cut(const Job& job, const Cut& cut, Sabotage sabotage, std::uint64_t seed) {
  SimWorld world(seed);
  SimDevice& target =
      world.add_device("target", {.size_bytes = job.target_before.size()}, cow(job.target_before));
  target.ignore_flushes(sabotage == Sabotage::kFlushes);
  if (cut.at_operation != UINT64_MAX) world.crash_at_operation(cut.at_operation);
  TargetState before;
  before.snapshot_uuid = job.pair.from_uuid;
  CrashingApplyState state(world, before);
  state.cut_at_ = cut.at_store;
  state.lands_ = cut.store_lands;
  state.forgets_ = sabotage == Sabotage::kJournal;
  const auto result = job.run(target, state, job.options);
  EXPECT_EQ(result.has_value(), !world.crashed()) << (result ? "" : result.error().text);

  Outcome outcome{.was_cut = world.crashed()};
  std::uint64_t again_at = seed % 5;
  for (const SimImage& image : world.crash_images(kMaxImages)) {
    if (is_repaired(job, image, state.state_, again_at++ % 7)) continue;
    ++outcome.failures;
    if (sabotage == Sabotage::kNone) ADD_FAILURE() << image.description;
  }
  return outcome;
}

// Cuts everywhere; says how many outcomes were not repaired.
int cut_everywhere(const Job& job, Sabotage sabotage, std::uint64_t seed) {
  int failures = 0;
  for (std::uint64_t at = 0;; ++at) {
    SCOPED_TRACE("operation " + std::to_string(at) + ", seed " + std::to_string(seed));
    const Outcome outcome = run_cut(job, {.at_operation = at}, sabotage, seed + at);
    failures += outcome.failures;
    if (!outcome.was_cut) break;
  }
  for (const bool lands : {false, true}) {
    for (int at = 0;; ++at) {
      SCOPED_TRACE("store " + std::to_string(at) + ", seed " + std::to_string(seed));
      const Outcome outcome = run_cut(job, {.at_store = at, .store_lands = lands}, sabotage, seed);
      failures += outcome.failures;
      if (!outcome.was_cut) break;
    }
  }
  return failures;
}

Job make_job(std::uint64_t seed, DeltaMode mode, bool is_pipe) {
  Job job;
  job.pair = make_pair_of_volumes(seed, 128 << 10, 128 << 10);
  job.delta = job.pair.delta(job.pair.list(), {.mode = mode, .frame_data_bytes = 8192});
  job.target_before = job.pair.old_bytes;
  job.is_pipe = is_pipe;
  return job;
}

TEST(ApplyCrash, Timeline7_RawFromFile) {
  cut_everywhere(make_job(31, DeltaMode::kRaw, false), Sabotage::kNone, 31);
}

TEST(ApplyCrash, Timeline7_RawThroughAPipe) {
  cut_everywhere(make_job(32, DeltaMode::kRaw, true), Sabotage::kNone, 32);
}

TEST(ApplyCrash, Timeline7_DifferencesFromFile) {
  cut_everywhere(make_job(33, DeltaMode::kDifference, false), Sabotage::kNone, 33);
}

TEST(ApplyCrash, Timeline7_DifferencesThroughAPipe) {
  cut_everywhere(make_job(34, DeltaMode::kDifference, true), Sabotage::kNone, 34);
}

// Chunks of four blocks: what does not change in them is neither journalled nor written.
Job make_job_of_parts(std::uint64_t seed, bool is_pipe) {
  constexpr std::size_t kVolumeBytes = 256 << 10;
  Job job;
  job.pair = make_pair_of_volumes(seed, kVolumeBytes, kVolumeBytes, 14);
  SeededRandom random(seed);
  job.pair.new_bytes = job.pair.old_bytes;
  for (std::size_t at = 0; at < kVolumeBytes; at += 16 << 10)
    if (random.below(4) != 0)
      random.fill(std::span(job.pair.new_bytes).subspan(at + random.below(12 << 10), 40));
  job.delta = job.pair.delta(job.pair.list(),
                             {.mode = DeltaMode::kDifference, .frame_data_bytes = 32 << 10});
  job.target_before = job.pair.old_bytes;
  job.is_pipe = is_pipe;
  return job;
}

TEST(ApplyCrash, Timeline7_DifferencesInPartsOfChunks) {
  cut_everywhere(make_job_of_parts(40, false), Sabotage::kNone, 40);
  cut_everywhere(make_job_of_parts(41, true), Sabotage::kNone, 41);
}

// It is decoded window by window, after all of it was compared.
TEST(ApplyCrash, Timeline7_MoreThanTheMemoryHolds) {
  for (const DeltaMode mode : {DeltaMode::kRaw, DeltaMode::kDifference}) {
    Job job = make_job(42, mode, false);
    job.memory_bytes = 48 << 10;
    cut_everywhere(job, Sabotage::kNone, 42);
  }
}

// A frame is larger than a window, which it then is alone.
TEST(ApplyCrash, Timeline7_FramesOfMoreThanAMebibyte) {
  constexpr unsigned kShift = 18;
  constexpr std::size_t kFrameBytes = std::size_t{5} << kShift;
  Job job;
  job.pair = make_pair_of_volumes(39, 2 * kFrameBytes, 2 * kFrameBytes, kShift);
  SeededRandom random(39);
  job.pair.new_bytes = job.pair.old_bytes;
  for (std::size_t at = 0; at < 2 * kFrameBytes; at += std::size_t{1} << kShift)
    random.fill(std::span(job.pair.new_bytes).subspan(at + 100, 40));
  job.delta = job.pair.delta(job.pair.list(),
                             {.mode = DeltaMode::kDifference, .frame_data_bytes = kFrameBytes});
  ASSERT_LT(job.delta.size(), kFrameBytes) << "two differences of a frame's size each";
  job.target_before = job.pair.old_bytes;
  cut_everywhere(job, Sabotage::kNone, 39);
}

TEST(ApplyCrash, Timeline7_BestThatGrows) {
  Job job = make_job(35, DeltaMode::kBest, false);
  job.pair = make_pair_of_volumes(35, (64 << 10) + 512, 128 << 10);
  job.delta = job.pair.delta(job.pair.list(), {.frame_data_bytes = 8192});
  job.target_before = job.pair.old_bytes;
  job.target_before.resize(128 << 10, std::byte{0xee});
  cut_everywhere(job, Sabotage::kNone, 35);
}

TEST(ApplyCrash, ForcedFullDeltaOntoGarbageNeedsForceOnlyOnce) {
  Job job = make_job(36, DeltaMode::kRaw, false);
  job.delta = job.pair.full_delta({.frame_data_bytes = 8192});
  job.options.is_forced = true;
  SeededRandom random(36);
  job.target_before = random_bytes(random, job.target_before.size());
  // Before the journal has its first window nothing is written, and --force must be given again.
  for (std::uint64_t at = 0;; ++at) {
    SCOPED_TRACE("operation " + std::to_string(at));
    if (!run_cut(job, {.at_operation = at}, Sabotage::kNone, 36 + at).was_cut) break;
  }
}

TEST(ApplyCrash, UnknownHashesStayProvenThroughAnInterruption) {
  Job job = make_job(37, DeltaMode::kRaw, false);
  Changelist list = job.pair.list();
  list.before.clear();
  job.delta = job.pair.delta(list, {.mode = DeltaMode::kRaw, .frame_data_bytes = 8192}, 7, false);
  cut_everywhere(job, Sabotage::kNone, 37);
}

TEST(ApplyCrash, WithoutFlushesSomeOutcomeIsLost) {
  EXPECT_GT(cut_everywhere(make_job(31, DeltaMode::kRaw, false), Sabotage::kFlushes, 31), 0);
  EXPECT_GT(cut_everywhere(make_job(33, DeltaMode::kDifference, false), Sabotage::kFlushes, 33), 0);
}

TEST(ApplyCrash, WithoutTheJournalSomeOutcomeIsLost) {
  EXPECT_GT(cut_everywhere(make_job(31, DeltaMode::kRaw, false), Sabotage::kJournal, 31), 0);
  EXPECT_GT(cut_everywhere(make_job(33, DeltaMode::kDifference, false), Sabotage::kJournal, 33), 0);
  EXPECT_GT(cut_everywhere(make_job_of_parts(40, false), Sabotage::kJournal, 40), 0);
}

// The process lives, but an operation fails: an error, and a rerun that ends right.
TEST(ApplyCrash, EveryFailedOperationIsAnErrorAndARerunEndsRight) {
  for (const DeltaMode mode : {DeltaMode::kRaw, DeltaMode::kDifference}) {
    const Job job = make_job(38, mode, false);
    for (std::uint64_t n = 0;; ++n) {
      SCOPED_TRACE("operation " + std::to_string(n));
      const auto memory = device_of(job.target_before, "target");
      FaultDevice device(*memory);
      device.inject({.after = n, .landed = Fault::Landed::kFirstHalf});
      MemoryApplyState state;
      const auto result = job.run(device, state, job.options);
      ASSERT_EQ(result.has_value(), device.fired() == 0);
      if (device.fired() == 0) break;
      ASSERT_TRUE(is_injected(result.error())) << result.error().text;
      ASSERT_OK(apply(job.delta, *memory, state, job.options));
      ASSERT_TRUE(memory->content().to_vector() == job.pair.new_bytes);
    }
  }
}

}  // namespace
}  // namespace ddsnap::test
