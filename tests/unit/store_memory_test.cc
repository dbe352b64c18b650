// Shows that the store's memory stays within 64 MiB and 4 bytes an exception, at a million
// exceptions scattered over 2 TiB. A program of its own, so that nothing that another test left in
// memory is counted.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "ddsnap/io/file_device.h"
#include "server/store/snap_store.h"
#include "tests/support/temp_dir.h"

namespace ddsnap::test {
namespace {

std::unique_ptr<FileDevice> open_sparse(const std::filesystem::path& path,
                                        std::uint64_t size_bytes) {
  std::ofstream(path).close();
  std::filesystem::resize_file(path, size_bytes);
  auto device = FileDevice::open(path.string(), {.access = DeviceAccess::kReadWrite});
  EXPECT_TRUE(device);
  return std::move(*device);
}

std::uint64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t total = 0;
  std::uint64_t resident = 0;
  statm >> total >> resident;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

// On sparse files: the origin's chunks are zero, so that neither disk nor time is the limit, and no
// device's memory is counted.
TEST(StoreMemory, AMillionExceptionsFitTheMemoryBound) {
#ifdef DDSNAP_SANITIZED
  GTEST_SKIP() << "a sanitizer's own memory would be measured";
#endif
  constexpr std::uint32_t kExceptions = 1'000'000;
  SeededRandom random(3);
  TempDir folder;
  auto origin_file = open_sparse(folder.path() / "origin", std::uint64_t{2} << 40);
  auto snapstore_file = open_sparse(folder.path() / "snapstore", std::uint64_t{64} << 30);
  BlockDevice& origin = *origin_file;
  BlockDevice& snapstore = *snapstore_file;
  const StoreDevices devices{.snapstore = snapstore, .origin = origin};
  ASSERT_TRUE(initialize_store(devices, {.chunk_shift = 12}, random));
  auto store = SnapStore::open(devices, {}, random);
  ASSERT_TRUE(store);
  const std::uint64_t chunks = (*store)->facts().geometry.chunk_count();
  std::uint64_t written = 0;
  std::uint32_t snapshots = 0;
  for (; written < kExceptions; ++snapshots) {
    ASSERT_TRUE(
        (*store)->create({.uuid = Uuid::make(random), .tag = fmt::format("{}", snapshots)}));
    for (std::uint32_t batch = 0; batch < 400; ++batch) {
      std::vector<WriteAsk> asks;
      for (std::uint32_t i = 0; i < 250; ++i)
        asks.push_back({{static_cast<std::uint32_t>(random.below(chunks))}});
      ASSERT_TRUE((*store)->prepare_writes(asks));
      while ((*store)->has_background_work()) ASSERT_TRUE((*store)->background_step());
    }
    written = (*store)->usage().exceptions;
  }
  const std::uint64_t resident = resident_bytes();
  std::printf("%llu exceptions of %u snapshots: %.1f MiB resident, %.1f bytes an exception\n",
              static_cast<unsigned long long>(written), snapshots,
              static_cast<double>(resident) / 1048576,
              static_cast<double>(resident) / static_cast<double>(written));
  EXPECT_LE(resident, (std::uint64_t{64} << 20) + 4 * written);
}

}  // namespace
}  // namespace ddsnap::test
