// Shows that what --save-undo writes takes the target back: after the apply, and after a power cut
// at any write or flush of it, from the unfinished file; that an apply which goes on after the cut
// finishes its undo too; and that a rollback which is itself cut can be run again. Volumes that
// keep their size, grow, shrink, full deltas over garbage, trimmed ones, long frames.
#include "ddsnap/delta/undo_file.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/support/delta_world.h"
#include "tests/support/sim_device.h"
#include "tests/support/temp_dir.h"

namespace ddsnap::test {
namespace {

constexpr std::size_t kSize = 64 << 10;
constexpr std::size_t kWindowBytes = 16 << 10;

Bytes read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  Bytes bytes(text.size());
  std::memcpy(bytes.data(), text.data(), text.size());
  return bytes;
}

void write_file(const std::string& path, std::span<const std::byte> bytes) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
}

struct Job {
  Pair pair;
  Bytes delta;
  Bytes before;  // what the target holds, of the target's size
  bool is_forced = false;
};

Job make_job(std::uint64_t seed, std::size_t old_size, std::size_t new_size, DeltaMode mode) {
  Job job{.pair = make_pair_of_volumes(seed, old_size, new_size)};
  job.delta = job.pair.delta(job.pair.list(), {.mode = mode, .frame_data_bytes = 8192});
  job.before = job.pair.old_bytes;
  job.before.resize(std::max(old_size, new_size), std::byte{0xee});
  return job;
}

Job make_full_job(std::uint64_t seed) {
  Job job = make_job(seed, kSize, kSize, DeltaMode::kRaw);
  job.delta = job.pair.full_delta({.frame_data_bytes = 8192});
  SeededRandom random(seed);
  job.before = random_bytes(random, kSize);
  job.is_forced = true;
  return job;
}

// Every chunk is listed, and those that are as before are left out of the delta.
Job make_trimmed_job(std::uint64_t seed) {
  Job job = make_job(seed, kSize, kSize, DeltaMode::kBest);
  Changelist list = job.pair.list();
  list.ranges = {{{0}, static_cast<std::uint32_t>(list.to_geometry().chunk_count())}};
  list.before.clear();
  job.delta = job.pair.delta(
      list, {.mode = DeltaMode::kBest, .frame_data_bytes = 8192, .is_trimmed = true});
  return job;
}

// Frames of more than a mebibyte, larger than a window.
Job make_long_job(std::uint64_t seed) {
  Job job{.pair = make_pair_of_volumes(seed, 5 << 20, 5 << 20, 18)};
  job.delta = job.pair.delta(job.pair.list(),
                             {.mode = DeltaMode::kDifference, .frame_data_bytes = 2 << 20});
  job.before = job.pair.old_bytes;
  return job;
}

std::vector<Job> all_jobs() {
  std::vector<Job> jobs;
  jobs.push_back(make_job(51, kSize, kSize, DeltaMode::kBest));
  jobs.push_back(make_job(52, kSize, kSize, DeltaMode::kRaw));
  jobs.push_back(make_job(53, kSize / 2 + 512, kSize, DeltaMode::kBest));
  jobs.push_back(make_job(54, kSize, kSize / 2 + 512, DeltaMode::kDifference));
  jobs.push_back(make_full_job(55));
  jobs.push_back(make_trimmed_job(66));
  jobs.push_back(make_long_job(67));
  return jobs;
}

// Its journal is on other storage under the same power supply.
class PoweredState final : public ApplyState {
 public:
  PoweredState(const SimWorld& world, TargetState state)
      : world_(world), state_(std::move(state)) {}
  Result<TargetState> load() override { return state_; }
  using ApplyState::store;
  Status store(const TargetState& state, const std::function<Status()>& last_condition) override {
    TargetState again = as_loaded(state);
    DD_TRY(last_condition());
    if (world_.crashed()) return fail(ErrorCode::kIo, "the power is gone");
    state_ = std::move(again);
    return {};
  }
  const SimWorld& world_;
  TargetState state_;
};

Result<ApplyReport> apply_with_undo(const Job& job, BlockDevice& target, ApplyState& state,
                                    const std::string& undo_path) {
  UndoFile undo(undo_path, 1);
  return apply(job.delta, target, state,
               {.is_forced = job.is_forced, .window_bytes = kWindowBytes, .undo = &undo});
}

// What of the target must be back: all that the older volume had.
bool is_back(const Job& job, const Bytes& content) {
  const std::size_t old_size = job.is_forced ? job.before.size() : job.pair.old_bytes.size();
  return std::equal(content.begin(), content.begin() + static_cast<std::ptrdiff_t>(old_size),
                    job.before.begin());
}

bool is_new(const Job& job, const Bytes& content) {
  return std::equal(job.pair.new_bytes.begin(), job.pair.new_bytes.end(), content.begin());
}

TEST(ApplyUndo, TakesTheTargetBackAndTheDeltaMayComeAgain) {
  for (const Job& job : all_jobs()) {
    const TempDir dir;
    const std::string undo_path = dir.file("undo");
    const auto target = device_of(job.before, "target");
    MemoryApplyState state;
    ASSERT_OK(apply_with_undo(job, *target, state, undo_path));
    ASSERT_TRUE(is_new(job, target->content().to_vector()));
    ASSERT_OK(apply(read_file(undo_path), *target, state));
    EXPECT_TRUE(is_back(job, target->content().to_vector()));
    ASSERT_OK(apply(job.delta, *target, state, {.is_forced = job.is_forced}));
    EXPECT_TRUE(is_new(job, target->content().to_vector()));
  }
}

TEST(ApplyUndo, NothingRemainsWhereNothingIsWritten) {
  const Job job = make_job(56, kSize, kSize, DeltaMode::kRaw);
  const TempDir dir;
  const auto target = device_of(job.pair.new_bytes, "target");
  MemoryApplyState state;
  const auto report = apply_with_undo(job, *target, state, dir.file("undo"));
  ASSERT_OK(report);
  EXPECT_EQ(report->outcome, ApplyOutcome::kAlreadyApplied);
  EXPECT_FALSE(std::filesystem::exists(dir.file("undo")));
}

TEST(ApplyUndo, OtherFilesAreNotOverwritten) {
  const Job job = make_job(57, kSize, kSize, DeltaMode::kRaw);
  const TempDir dir;
  write_file(dir.file("undo"), job.delta);
  const auto target = device_of(job.before, "target");
  MemoryApplyState state;
  const auto report = apply_with_undo(job, *target, state, dir.file("undo"));
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, ErrorCode::kExists);
  EXPECT_TRUE(read_file(dir.file("undo")) == job.delta);
  EXPECT_TRUE(target->content().to_vector() == job.before);
}

TEST(ApplyUndo, CutTargetHasNothingToSave) {
  const Job job = make_job(58, kSize, kSize / 2, DeltaMode::kRaw);
  const TempDir dir;
  const Bytes cut(job.before.begin(), job.before.begin() + kSize / 2);
  const auto target = device_of(cut, "target");
  MemoryApplyState state;
  const auto report = apply_with_undo(job, *target, state, dir.file("undo"));
  ASSERT_FALSE(report);
  EXPECT_NE(report.error().text.find("no undo"), std::string::npos);
}

TEST(ApplyUndo, IsNotForgottenByARerun) {
  const Job job = make_job(59, kSize, kSize, DeltaMode::kRaw);
  const TempDir dir;
  SimWorld world(1);
  SimDevice& target = world.add_device("target", {.size_bytes = kSize}, cow(job.before));
  world.crash_at_operation(1);
  PoweredState state(world, {});
  ASSERT_FALSE(apply_with_undo(job, target, state, dir.file("undo")));
  ASSERT_TRUE(state.state_.window);
  SimWorld second(world.crash_images(2).front(), 2);
  PoweredState second_state(second, state.state_);
  const auto without = apply(job.delta, second.device(0), second_state);
  ASSERT_FALSE(without);
  EXPECT_NE(without.error().text.find("--save-undo"), std::string::npos);
  // Nor does a rerun begin one that would lack what was overwritten.
  second_state.state_.window->has_undo = false;
  UndoFile late(dir.file("late"), 1);
  EXPECT_FALSE(apply(job.delta, second.device(0), second_state, {.undo = &late}));
}

// ---- power cuts ----

// The undo after one outcome of the power cut: itself interrupted once, then to the end.
void check_rolls_back(const Job& job, const SimImage& image, const TargetState& state,
                      const Bytes& undo, std::uint64_t again_at) {
  SimWorld second(image, 1);
  second.crash_at_operation(again_at);
  PoweredState second_state(second, state);
  const auto rolled_back = apply(undo, second.device(0), second_state);
  ASSERT_TRUE(rolled_back || second.crashed()) << rolled_back.error().text;
  SimWorld third(second.crash_images(2).back(), 2);
  PoweredState third_state(third, second_state.state_);
  if (second_state.state_.window) ASSERT_OK(apply(undo, third.device(0), third_state));
  EXPECT_TRUE(is_back(job, third.device(0).content().to_vector()));
  EXPECT_FALSE(third_state.state_.window);
  // As if nothing had been.
  ASSERT_OK(apply(job.delta, third.device(0), third_state, {.is_forced = job.is_forced}));
  EXPECT_TRUE(is_new(job, third.device(0).content().to_vector()));
}

void check_goes_on(const Job& job, const SimImage& image, const TargetState& state,
                   const Bytes& undo, const std::string& path) {
  write_file(path, undo);
  SimWorld world(image, 1);
  PoweredState again(world, state);
  ASSERT_OK(apply_with_undo(job, world.device(0), again, path));
  EXPECT_TRUE(is_new(job, world.device(0).content().to_vector()));
  ASSERT_OK(apply(read_file(path), world.device(0), again));
  EXPECT_TRUE(is_back(job, world.device(0).content().to_vector()));
}

void cut_everywhere(const Job& job, std::uint64_t step) {
  for (std::uint64_t at = 0;; at += step) {
    SCOPED_TRACE("operation " + std::to_string(at));
    const TempDir dir;
    SimWorld world(at);
    SimDevice& target =
        world.add_device("target", {.size_bytes = job.before.size()}, cow(job.before));
    world.crash_at_operation(at);
    PoweredState state(world, {});
    const auto report = apply_with_undo(job, target, state, dir.file("undo"));
    if (report) break;
    ASSERT_TRUE(state.state_.window);
    Bytes undo = read_file(dir.file("undo"));
    // What was not durable yet may be anything.
    if (at % 2 == 0) undo.resize(undo.size() + 100, std::byte{0x44});
    for (const SimImage& image : world.crash_images(2)) {
      check_rolls_back(job, image, state.state_, undo, at % 5);
      check_goes_on(job, image, state.state_, undo, dir.file("again"));
      if (::testing::Test::HasFatalFailure()) return;
    }
  }
}

TEST(ApplyUndo, PowerCutAnywhereCanBeUndone) {
  cut_everywhere(make_job(61, kSize, kSize, DeltaMode::kBest), 1);
}

TEST(ApplyUndo, PowerCutOfAVolumeThatGrowsOrShrinks) {
  cut_everywhere(make_job(62, kSize / 2 + 512, kSize, DeltaMode::kBest), 3);
  cut_everywhere(make_job(63, kSize, kSize / 2 + 512, DeltaMode::kDifference), 3);
}

TEST(ApplyUndo, PowerCutOfAForcedFullDelta) {
  cut_everywhere(make_full_job(64), 3);
}

TEST(ApplyUndo, PowerCutOfATrimmedDelta) {
  cut_everywhere(make_trimmed_job(68), 3);
}

TEST(ApplyUndo, PowerCutOfLongFrames) {
  cut_everywhere(make_long_job(69), 7);
}

TEST(ApplyUndo, UndoThatLacksTheWindowIsRefused) {
  const Job job = make_job(65, kSize, kSize, DeltaMode::kRaw);
  const TempDir dir;
  SimWorld world(1);
  SimDevice& target = world.add_device("target", {.size_bytes = kSize}, cow(job.before));
  world.crash_at_operation(2);
  PoweredState state(world, {});
  ASSERT_FALSE(apply_with_undo(job, target, state, dir.file("undo")));
  Bytes undo = read_file(dir.file("undo"));
  undo.resize(undo.size() - 1);
  SimWorld second(world.crash_images(2).front(), 2);
  const Bytes torn = second.device(0).content().to_vector();
  PoweredState second_state(second, state.state_);
  const auto report = apply(undo, second.device(0), second_state);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, ErrorCode::kDamaged);
  EXPECT_TRUE(second.device(0).content().to_vector() == torn);
}

}  // namespace
}  // namespace ddsnap::test
