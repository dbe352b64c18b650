// Shows that what is remembered with a target survives its file, that a damaged record is an error
// and never an empty one, and which names mean the same target.
#include "ddsnap/delta/apply_state.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "ddsnap/delta/target_identity.h"
#include "tests/support/delta_world.h"
#include "tests/support/temp_dir.h"

namespace ddsnap::test {
namespace {

TargetState example(std::uint64_t seed) {
  SeededRandom random(seed);
  TargetState state;
  state.snapshot_uuid = Uuid::make(random);
  for (int i = 0; i < 5; ++i) state.recent_deltas.push_back(Uuid::make(random));
  state.samples.chunk_shift = 16;
  for (std::uint32_t i = 0; i < 7; ++i)
    state.samples.chunks.push_back({{i * 1000}, {random.below(1u << 30)}});
  ApplyWindow window{.delta_uuid = Uuid::make(random),
                     .first_frame = 7,
                     .frame_count = 3,
                     .first_chunk = {100},
                     .last_chunk = {4000000000},
                     .is_forced = true,
                     .has_undo = true,
                     .undo_frames = 77};
  window.loaded = std::make_shared<const Bytes>(random_bytes(random, 4 * kChangedBlockBytes));
  const auto block = [&window](std::size_t first, std::size_t count) {
    return std::span(*window.loaded)
        .subspan(first * kChangedBlockBytes, count * kChangedBlockBytes);
  };
  window.saved.push_back({8, {{{0, 1}, block(0, 1)}, {{5, 2}, block(1, 2)}}});
  window.saved.push_back({9, {{{32767, 1}, block(3, 1)}}});
  state.window = window;
  return state;
}

void expect_equal(const TargetState& a, const TargetState& b) {
  EXPECT_EQ(a.snapshot_uuid, b.snapshot_uuid);
  EXPECT_EQ(a.recent_deltas, b.recent_deltas);
  EXPECT_EQ(a.samples.chunk_shift, b.samples.chunk_shift);
  ASSERT_EQ(a.samples.chunks.size(), b.samples.chunks.size());
  for (std::size_t i = 0; i < a.samples.chunks.size(); ++i) {
    EXPECT_EQ(a.samples.chunks[i].chunk, b.samples.chunks[i].chunk);
    EXPECT_EQ(a.samples.chunks[i].hash, b.samples.chunks[i].hash);
  }
  ASSERT_EQ(a.window.has_value(), b.window.has_value());
  if (!a.window) return;
  EXPECT_EQ(a.window->delta_uuid, b.window->delta_uuid);
  EXPECT_EQ(a.window->first_frame, b.window->first_frame);
  EXPECT_EQ(a.window->frame_count, b.window->frame_count);
  EXPECT_EQ(a.window->first_chunk, b.window->first_chunk);
  EXPECT_EQ(a.window->last_chunk, b.window->last_chunk);
  EXPECT_EQ(a.window->is_forced, b.window->is_forced);
  EXPECT_EQ(a.window->has_undo, b.window->has_undo);
  EXPECT_EQ(a.window->is_roll_back, b.window->is_roll_back);
  EXPECT_EQ(a.window->undo_frames, b.window->undo_frames);
  ASSERT_EQ(a.window->saved.size(), b.window->saved.size());
  for (std::size_t i = 0; i < a.window->saved.size(); ++i) {
    EXPECT_EQ(a.window->saved[i].frame_nr, b.window->saved[i].frame_nr);
    const auto& ours = a.window->saved[i].parts;
    const auto& theirs = b.window->saved[i].parts;
    ASSERT_EQ(ours.size(), theirs.size());
    for (std::size_t part = 0; part < ours.size(); ++part) {
      EXPECT_EQ(ours[part].run, theirs[part].run);
      EXPECT_TRUE(std::ranges::equal(ours[part].content, theirs[part].content));
    }
  }
}

TEST(ApplyState, SurvivesItsFile) {
  const TempDir dir;
  FileApplyState file(dir.file("made/when/needed"));
  const auto empty = file.load();
  ASSERT_OK(empty);
  expect_equal(*empty, TargetState{});
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    ASSERT_OK(file.store(example(seed)));
    const auto again = file.load();
    ASSERT_OK(again);
    expect_equal(*again, example(seed));
  }
  TargetState without = example(4);
  without.window.reset();
  ASSERT_OK(file.store(without));
  expect_equal(*file.load(), without);
}

TEST(ApplyState, DamageIsNeverAnEmptyRecord) {
  const Bytes bytes = encode_target_state(example(1));
  for (std::size_t length = 0; length < bytes.size(); length += 13)
    EXPECT_FALSE(decode_target_state(std::span(bytes).first(length)));
  for (std::size_t bit = 0; bit < 2000; ++bit) {
    Bytes flipped = bytes;
    flipped[bit / 8] ^= static_cast<std::byte>(1 << (bit % 8));
    EXPECT_FALSE(decode_target_state(flipped)) << bit;
  }
}

TEST(TargetIdentity, IsOfTheFileAndNotOfItsName) {
  const TempDir dir;
  const std::string path = dir.file("a");
  std::ofstream(path) << "one";
  const std::string one = target_identity(path);
  std::filesystem::create_hard_link(path, dir.file("b"));
  EXPECT_EQ(target_identity(dir.file("b")), one);
  std::filesystem::create_symlink(path, dir.file("c"));
  EXPECT_EQ(target_identity(dir.file("c")), one);
  std::ofstream(path, std::ios::app) << "more";
  EXPECT_EQ(target_identity(path), one) << "a volume that grows keeps its record";
  std::ofstream(dir.file("d")) << "one";
  EXPECT_NE(target_identity(dir.file("d")), one);
  EXPECT_NE(target_identity("nbd://host/x"), target_identity("nbd://host/y"));
  EXPECT_EQ(target_identity("nbd://host/x").find('/'), std::string::npos);
}

}  // namespace
}  // namespace ddsnap::test
