// Shows that of a difference only the blocks that change are written and journalled, in units that
// a power cut cannot hurt beyond; that chunks in which a volume ends are written whole; and that an
// interrupted apply whose target was changed around those blocks is refused with the range, never
// put together from both.
#include "ddsnap/delta/changed_blocks.h"

#include <gtest/gtest.h>

#include "tests/support/delta_world.h"
#include "tests/support/fault_device.h"
#include "tests/support/trace_device.h"

namespace ddsnap::test {
namespace {

constexpr unsigned kShift = 14;
constexpr std::size_t kChunkBytes = std::size_t{1} << kShift;

DeltaHeader header_of(std::uint64_t from_bytes, std::uint64_t to_bytes) {
  DeltaHeader header;
  header.chunk_shift = kShift;
  header.from_bytes = from_bytes;
  header.to_bytes = to_bytes;
  return header;
}

DeltaFrame frame_of(std::uint32_t chunks) {
  DeltaFrame frame{.encoding = Encoding::kZstdDifference, .data_bytes = chunks << kShift};
  for (std::uint32_t i = 0; i < chunks; ++i)
    frame.entries.push_back({.first = {i}, .before_kind = BeforeKind::kKnown});
  return frame;
}

std::vector<BlockRun> changed(const DeltaHeader& header, const Bytes& old_bytes,
                              const Bytes& new_bytes, std::size_t unit_bytes) {
  const auto chunks = static_cast<std::uint32_t>(new_bytes.size() >> kShift);
  return find_changed_blocks(header, frame_of(chunks), old_bytes, new_bytes, unit_bytes);
}

TEST(ChangedBlocks, AreFoundInUnits) {
  const DeltaHeader header = header_of(4 * kChunkBytes, 4 * kChunkBytes);
  const Bytes old_bytes(4 * kChunkBytes);
  Bytes new_bytes = old_bytes;
  for (const std::size_t at :
       {std::size_t{0}, kChunkBytes - 1, kChunkBytes, 3 * kChunkBytes + 5000})
    new_bytes[at] = std::byte{1};
  const std::vector<BlockRun> blocks{{0, 1}, {3, 2}, {13, 1}};
  EXPECT_EQ(changed(header, old_bytes, new_bytes, 4096), blocks);
  const std::vector<BlockRun> pairs{{0, 6}, {12, 2}};
  EXPECT_EQ(changed(header, old_bytes, new_bytes, 8192), pairs);
  const std::vector<BlockRun> whole{{0, 8}, {12, 4}};
  EXPECT_EQ(changed(header, old_bytes, new_bytes, kChunkBytes), whole);
  // A unit that is larger than a chunk: nothing is left out.
  const std::vector<BlockRun> all{{0, 16}};
  EXPECT_EQ(changed(header, old_bytes, new_bytes, 2 * kChunkBytes), all);
}

TEST(ChangedBlocks, ChunksInWhichAVolumeEndsAreWhole) {
  const Bytes old_bytes(2 * kChunkBytes);
  Bytes new_bytes = old_bytes;
  new_bytes[kChunkBytes] = std::byte{1};
  const std::vector<BlockRun> last{{4, 4}};
  EXPECT_EQ(
      changed(header_of(2 * kChunkBytes - 512, 2 * kChunkBytes - 512), old_bytes, new_bytes, 4096),
      last)
      << "a short last chunk";
  EXPECT_EQ(changed(header_of(2 * kChunkBytes - 512, 3 * kChunkBytes), old_bytes, new_bytes, 4096),
            last)
      << "the chunk in which the older volume ended";
}

TEST(ChangedBlocks, UnitIsWhatAPowerCutMayHurt) {
  EXPECT_EQ(changed_unit_bytes({.block_bytes = 512, .physical_bytes = 512}), 4096u);
  EXPECT_EQ(changed_unit_bytes({.block_bytes = 512, .physical_bytes = 16384}), 16384u);
}

// Every fourth chunk has one byte changed.
Pair pair_of_small_changes() {
  Pair pair = make_pair_of_volumes(50, 16 * kChunkBytes, 16 * kChunkBytes, kShift);
  pair.new_bytes = pair.old_bytes;
  for (std::size_t at = 0; at < pair.new_bytes.size(); at += 4 * kChunkBytes)
    pair.new_bytes[at + 5000] ^= std::byte{1};
  return pair;
}

TEST(ChangedBlocks, AreAllThatIsWritten) {
  const Pair pair = pair_of_small_changes();
  const Bytes delta = pair.delta(pair.list(), {.mode = DeltaMode::kDifference});
  for (const bool is_pipe : {false, true}) {
    const auto memory = device_of(pair.old_bytes, "target");
    TraceDevice trace(*memory);
    MemoryApplyState state;
    ASSERT_OK(apply(delta, trace, state, {}, is_pipe));
    EXPECT_TRUE(memory->content().to_vector() == pair.new_bytes);
    EXPECT_EQ(trace.total(DeviceOp::kWrite).bytes, 4 * kChangedBlockBytes);
  }
}

TEST(ChangedBlocks, TargetThatChangedAroundThemIsRefused) {
  const Pair pair = pair_of_small_changes();
  const Bytes delta = pair.delta(pair.list(), {.mode = DeltaMode::kDifference});
  const auto memory = device_of(pair.old_bytes, "target");
  FaultDevice device(*memory);
  device.inject({.op = DeviceOp::kFlush});
  MemoryApplyState state;
  ASSERT_FALSE(apply(delta, device, state));
  ASSERT_TRUE(state.state_.window);
  const std::size_t beside = 4 * kChunkBytes + 12000;  // in a chunk that changes, in another block
  const Bytes block(512, std::byte{0x77});
  ASSERT_OK(memory->write_at(round_down(beside, 512), block));
  const Bytes before = memory->content().to_vector();
  const auto again = apply(delta, *memory, state);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::kFailed);
  EXPECT_NE(again.error().text.find("chunks 0 to 12 changed since"), std::string::npos)
      << again.error().text;
  EXPECT_TRUE(memory->content().to_vector() == before);
}

}  // namespace
}  // namespace ddsnap::test
