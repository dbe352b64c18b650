// What ten thousand snapshots and ten million exceptions of a sparse origin of 16 TiB cost the
// store: create, first writes, finding chunks, a changelist, delete, start-up, and memory. Metadata
// lies in a real file; origin and slots make their content up.
//
//   scale_measure SNAPSHOTS EXCEPTIONS CLUSTER [FOLDER]
//
// CLUSTER is how many neighbouring chunks are written at a place drawn at random: 1 is the worst
// case for every bitmap.
#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "ddsnap/io/file_device.h"
#include "server/store/snap_store.h"
#include "tests/support/made_up_device.h"
#include "tests/support/temp_dir.h"

namespace ddsnap::test {
namespace {

constexpr std::uint64_t kOriginBytes = 16ull << 40;
constexpr unsigned kChunkShift = 14;
constexpr std::uint64_t kMetadataBytes = 4ull << 30;
constexpr std::uint32_t kTimed = 50;  // creates, deletes and questions whose time is taken

struct Shape {
  std::uint32_t snapshots = 0;
  std::uint64_t exceptions = 0;
  std::uint32_t cluster = 1;
};

// Of what is in use: pages that the allocator merely keeps are given back first.
double resident_mib() {
  ::malloc_trim(0);
  std::ifstream statm("/proc/self/statm");
  double total = 0;
  double resident = 0;
  statm >> total >> resident;
  return resident * static_cast<double>(::sysconf(_SC_PAGESIZE)) / (1 << 20);
}

double allocated_mib() {
  return static_cast<double>(::mallinfo2().uordblks) / (1 << 20);
}

template <class Work>
double milliseconds(Work&& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return seconds_since(begin) * 1000;
}

class Scale {
 public:
  Scale(const std::filesystem::path& folder, const Shape& shape)
      : shape_(shape), slots_((shape.exceptions + (1 << 20)) << kChunkShift, "slots") {
    const std::string path = folder / "metadata";
    std::ofstream(path).close();
    std::filesystem::resize_file(path, kMetadataBytes);
    metadata_ = must(FileDevice::open(path, {.access = DeviceAccess::kReadWrite}));
    must(initialize_store(devices(), {.chunk_shift = kChunkShift}, random_));
    open();
  }

  void run() {
    fill();
    take_times();
    start_again();
  }

 private:
  StoreDevices devices() { return {slots_, origin_, metadata_.get()}; }
  void open() { store_ = must(SnapStore::open(devices(), {}, random_)); }

  void create() {
    must(
        store_->create({.uuid = Uuid::make(random_), .tag = fmt::format("s{}", next_snapshot_++)}));
  }

  void write_chunks(std::uint64_t count) {
    const std::uint64_t chunks = store_->facts().geometry.chunk_count();
    while (count > 0) {
      std::vector<WriteAsk> asks;
      while (asks.size() + shape_.cluster <= store_->max_batch_chunks() && asks.size() < count) {
        const std::uint64_t first = random_.below(chunks - shape_.cluster);
        for (std::uint32_t i = 0; i < shape_.cluster; ++i)
          asks.push_back({{static_cast<std::uint32_t>(first + i)}});
      }
      must(store_->prepare_writes(asks));
      count -= std::min<std::uint64_t>(count, asks.size());
    }
    while (store_->has_background_work()) must(store_->background_step());
  }

  void fill() {
    for (std::uint32_t i = 0; i < shape_.snapshots; ++i) {
      create();
      write_chunks(shape_.exceptions / shape_.snapshots);
    }
    exceptions_ = store_->usage().exceptions;
    print_measure(
        {.what = what("memory, filled"), .unit = "MiB", .ours = {resident_mib()}, .limit = 128});
  }

  void take_times() {
    const auto times = [&](auto&& work) {
      std::vector<double> taken(kTimed);
      for (double& one : taken) one = milliseconds(work);
      return taken;
    };
    print_measure(
        {.what = what("create"), .unit = "ms", .ours = times([&] { create(); }), .limit = 10});
    print_measure({.what = what("256 first writes in one batch"),
                   .unit = "ms",
                   .ours = times([&] { write_chunks(store_->max_batch_chunks()); })});
    const std::vector<BoundaryFacts> all = store_->boundaries({}, shape_.snapshots + kTimed);
    const auto any = [&] { return all[random_.below(all.size())].epoch; };
    print_measure({.what = what("where 2048 neighbouring chunks of a snapshot lie"),
                   .unit = "ms",
                   .ours = times([&] {
                     std::vector<Location> found;
                     const auto first = static_cast<std::uint32_t>(random_.below(1u << 29));
                     must(store_->locate(any(), {{first}, 2048}, found));
                   })});
    print_measure(
        {.what = what("changelist, oldest to newest"),
         .unit = "ms",
         .ours = times([&] { (void)must(store_->changed(all.front().epoch, all.back().epoch)); })});
    std::size_t oldest = 0;
    print_measure({.what = what("delete of the oldest, its room given back"),
                   .unit = "ms",
                   .ours = times([&] {
                     must(store_->remove(all[oldest++].epoch, SnapStore::Keep::kNothing));
                     while (store_->has_background_work()) must(store_->background_step());
                   })});
  }

  // As after a kill: nothing is closed, the journal is what it is.
  void start_again() {
    const std::uint64_t before = store_->usage().exceptions;
    store_.reset();
    const double taken_s = milliseconds([&] { open(); }) / 1000;
    if (store_->usage().exceptions != before) must(fail(ErrorCode::kFailed, "not all came back"));
    print_measure({.what = what("start-up"), .unit = "s", .ours = {taken_s}, .limit = 5});
    print_measure(
        {.what = what("memory, started"), .unit = "MiB", .ours = {resident_mib()}, .limit = 128});
    fmt::print("{:.1f} MiB allocated, {:.1f} MiB at the peak; {} MiB of metadata\n",
               allocated_mib(), peak_mib(), store_->usage().metadata_bytes_used >> 20);
  }

  static double peak_mib() {
    rusage usage;
    ::getrusage(RUSAGE_SELF, &usage);
    return static_cast<double>(usage.ru_maxrss) / 1024;
  }

  std::string what(const std::string& name) const {
    return fmt::format("{}; {} snapshots, {} exceptions, written by {}", name, shape_.snapshots,
                       exceptions_, shape_.cluster);
  }

  Shape shape_;
  SeededRandom random_{1};
  MadeUpDevice origin_{kOriginBytes, "origin"};
  MadeUpDevice slots_;
  std::unique_ptr<FileDevice> metadata_;
  std::unique_ptr<SnapStore> store_;
  std::uint32_t next_snapshot_ = 0;
  std::uint64_t exceptions_ = 0;
};

}  // namespace
}  // namespace ddsnap::test

int main(int argc, char** argv) {
  if (argc != 4 && argc != 5) {
    fmt::print(stderr, "usage: scale_measure SNAPSHOTS EXCEPTIONS CLUSTER [FOLDER]\n");
    return 2;
  }
  const ddsnap::test::TempDir own_folder;
  const std::filesystem::path folder = argc == 5 ? argv[4] : own_folder.path();
  ddsnap::test::Scale(folder, {.snapshots = static_cast<std::uint32_t>(std::atoi(argv[1])),
                               .exceptions = static_cast<std::uint64_t>(std::atoll(argv[2])),
                               .cluster = static_cast<std::uint32_t>(std::atoi(argv[3]))})
      .run();
}
