// TIMELINES 3 over the volume: a snapshot is what the origin was when it was made, also after a
// power cut that takes everything the origin had not flushed by then. Simulated disks, a real
// store; no targets, so that nothing but the volume flushes.
#include <gtest/gtest.h>

#include "ddsnap/wire/cli_messages.h"
#include "ddsnap/wire/messages.h"
#include "server/volume.h"
#include "tests/support/sim_device.h"
#include "tests/support/volume_harness.h"

namespace ddsnap::test {
namespace {

constexpr std::size_t kChunkBytes = 4096;

// The origin as the volume sees it; its flush may be left out.
class MaybeFlushed final : public BlockDevice {
 public:
  MaybeFlushed(BlockDevice& next, bool flushes) : next_(next), flushes_(flushes) {}
  const DeviceGeometry& geometry() const override { return next_.geometry(); }
  const std::string& name() const override { return next_.name(); }
  Status run(std::span<IoRequest> batch) override { return next_.run(batch); }
  Status flush() override { return flushes_ ? next_.flush() : Status{}; }

 private:
  BlockDevice& next_;
  const bool flushes_;
};

// How many outcomes of a power cut after the create have a snapshot that is not what it was.
int changed_snapshots(bool flushes) {
  SimWorld world(3);
  SimDevice& origin = world.add_device("origin", {.size_bytes = 16 * kChunkBytes});
  SimDevice& snapstore = world.add_device("snapstore", {.size_bytes = 1u << 20});
  SeededRandom random(3);
  EXPECT_TRUE(initialize_store({snapstore, origin}, {.chunk_shift = 12}, random));
  auto store = SnapStore::open({snapstore, origin}, {}, random);
  EXPECT_TRUE(store);
  MaybeFlushed seen(origin, flushes);
  ScriptedProbe probe;
  KeptLog log;
  Volume volume(**store, seen, VolumeHarness::default_config(), random, probe, log);

  const std::vector<std::byte> content(kChunkBytes, std::byte{0xd1});
  EXPECT_TRUE(origin.write_at(5 * kChunkBytes, content));  // acknowledged, in the disk's cache
  const auto create = encode(CreateSnapshotMessage{.uuid = Uuid::make(random), .tag = "1"}, 1);
  const Now now{.steady_ns = 1, .wall_ns = 1};
  volume.on_connect({1});
  volume.on_message({1}, MsgType::kCreateSnapshot, 1, std::span(create).subspan(kFrameHeaderBytes),
                    now);
  while (volume.has_work(now)) volume.run_batch(now);
  EXPECT_TRUE((*store)->find("1"));
  world.crash_now();

  int changed = 0;
  for (const SimImage& image : world.crash_images(64)) {
    SimWorld after(image, 3);
    auto again = SnapStore::open({after.device(1), after.device(0)}, {}, random);
    EXPECT_TRUE(again);
    const auto snapshot = (*again)->find("1");
    EXPECT_TRUE(snapshot) << "an acknowledged create is gone (S6)";
    std::vector<Location> found;
    EXPECT_TRUE((*again)->locate(snapshot->epoch, {{5}, 1}, found));
    EXPECT_EQ(found[0].place, Location::Place::kOrigin);
    std::vector<std::byte> bytes(kChunkBytes);
    EXPECT_TRUE(after.device(0).read_at(5 * kChunkBytes, bytes));
    changed += bytes != content;
  }
  return changed;
}

TEST(Timeline3, PowerCutAfterCreateDoesNotChangeTheSnapshot) {
  EXPECT_EQ(changed_snapshots(true), 0);
}
// A test of the test.
TEST(Timeline3, WithoutTheFlushOfTheOriginItWould) {
  EXPECT_GT(changed_snapshots(false), 0);
}

}  // namespace
}  // namespace ddsnap::test
