// Shows that the worst case for the store's memory, snapshots with single chunks scattered over 16
// TiB, costs 32 bytes an exception at most, in a store that was filled and in one that was opened.
// A program of its own, so that nothing that another test left in memory is counted.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <malloc.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "ddsnap/io/file_device.h"
#include "server/store/snap_store.h"
#include "tests/support/made_up_device.h"
#include "tests/support/temp_dir.h"

namespace ddsnap::test {
namespace {

constexpr std::uint32_t kSnapshots = 500;
constexpr std::uint32_t kBatchesEach = 2;
constexpr std::uint32_t kBatchChunks = 250;
constexpr double kBytesEach = 32;

std::uint64_t resident_bytes() {
  ::malloc_trim(0);
  std::ifstream statm("/proc/self/statm");
  std::uint64_t total = 0;
  std::uint64_t resident = 0;
  statm >> total >> resident;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

TEST(StoreScattered, SingleChunksAllOverALargeVolumeFitTheirBound) {
#ifdef DDSNAP_SANITIZED
  GTEST_SKIP() << "a sanitizer's own memory would be measured";
#endif
  SeededRandom random(4);
  TempDir folder;
  const std::string path = (folder.path() / "metadata").string();
  std::ofstream(path).close();
  std::filesystem::resize_file(path, 256u << 20);
  const auto metadata = must(FileDevice::open(path, {.access = DeviceAccess::kReadWrite}));
  MadeUpDevice origin(std::uint64_t{16} << 40, "origin");
  MadeUpDevice slots(std::uint64_t{8} << 30, "slots");
  const StoreDevices devices{slots, origin, metadata.get()};
  const SnapStore::Options options{.cache_bytes = 64 << 10, .spill_entries = 8192};
  must(initialize_store(devices, {.chunk_shift = 14}, random));
  auto store = must(SnapStore::open(devices, options, random));
  const std::uint64_t chunks = store->facts().geometry.chunk_count();
  const std::uint64_t empty_bytes = resident_bytes();
  for (std::uint32_t snapshot = 0; snapshot < kSnapshots; ++snapshot) {
    must(store->create({.uuid = Uuid::make(random), .tag = fmt::format("{}", snapshot)}));
    for (std::uint32_t batch = 0; batch < kBatchesEach; ++batch) {
      std::vector<WriteAsk> asks;
      for (std::uint32_t i = 0; i < kBatchChunks; ++i)
        asks.push_back({{static_cast<std::uint32_t>(random.below(chunks))}});
      must(store->prepare_writes(asks));
      while (store->has_background_work()) must(store->background_step());
    }
  }
  const std::uint64_t exceptions = store->usage().exceptions;
  const auto each = [&] {
    return (static_cast<double>(resident_bytes()) - static_cast<double>(empty_bytes)) /
           static_cast<double>(exceptions);
  };
  fmt::print("{} exceptions, filled: {:.1f} bytes each\n", exceptions, each());
  EXPECT_LE(each(), kBytesEach) << "filled";
  store.reset();
  store = must(SnapStore::open(devices, options, random));
  // The last batch is judged by slots that are not kept here.
  EXPECT_GE(store->usage().exceptions + kBatchChunks, exceptions);
  EXPECT_LE(each(), kBytesEach) << "opened";
  fmt::print("opened: {:.1f} bytes each\n", each());
}

}  // namespace
}  // namespace ddsnap::test
