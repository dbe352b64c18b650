// How long a store with a million exceptions and a full journal takes to recover after a kill -9
// (S7), beside what the disk alone needs to read the same bytes once, in order. In one run, in
// turns, from files that the page cache does not hold, with O_DIRECT; the goal is under two
// seconds.
//
//   recovery_measure [FOLDER]      FOLDER is on the disk that is meant (default: $TMPDIR or /tmp)
//
// Metadata lies in a real file. What recovery does not read, the origin and the slots, is not
// there: those devices make content up and forget what is written.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>

#include <filesystem>

#include "ddsnap/base/limits.h"
#include "ddsnap/io/file_device.h"
#include "server/store/layout.h"
#include "server/store/run.h"
#include "server/store/snap_store.h"
#include "server/store/superblock.h"
#include "tests/support/made_up_device.h"
#include "tests/support/temp_dir.h"
#include "tests/support/wrapped_device.h"

namespace ddsnap::test {
namespace {

constexpr std::uint64_t kChunks = 1'200'000;
constexpr std::uint64_t kExceptions = 1'000'000;
constexpr std::uint32_t kSnapshots = 20;
constexpr std::uint64_t kMetadataBytes = 256ull << 20;
constexpr std::uint64_t kJournalBytes = 32ull << 20;
constexpr std::uint64_t kReadPieceBytes = 256 << 10;
constexpr std::uint64_t kAlmost_bytes = 64 << 10;  // a full journal would be emptied
constexpr double kGoal_s = 2;
constexpr int kRounds = 5;

// What fills the store waits for no disk.
class Unflushed final : public WrappedDevice {
 public:
  using WrappedDevice::WrappedDevice;
  Status flush() override { return {}; }
};

double cpu_seconds() {
  rusage usage;
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}
std::unique_ptr<FileDevice> open_file(const std::string& path) {
  return must(FileDevice::open(
      path, {.access = DeviceAccess::kReadWrite, .caching = FileOptions::Caching::kDirect}));
}

struct Made {
  std::uint64_t exceptions = 0;
  std::uint64_t journal_bytes_used = 0;
  MadeUpDevice origin{kChunks << kMinChunkShift, "origin"};
  MadeUpDevice slots{(kChunks + 64) << kMinChunkShift, "slots"};
};

void write_chunks(SnapStore& store, std::uint64_t first, std::uint32_t count) {
  std::vector<WriteAsk> asks;
  for (std::uint32_t i = 0; i < count; ++i)
    asks.push_back({{static_cast<std::uint32_t>((first + i) * 7919 % kChunks)}});
  must(store.prepare_writes(asks));
}

// Snapshots with tables in runs, then single first writes until the journal is as good as full.
void fill(SnapStore& store, Made& made) {
  const std::uint32_t batch = store.max_batch_chunks();
  std::uint64_t next = 0;
  for (std::uint32_t snapshot = 0; snapshot < kSnapshots; ++snapshot) {
    must(store.create(
        {.uuid = {{static_cast<std::byte>(snapshot)}}, .tag = fmt::format("s{}", snapshot)}));
    for (; next < kExceptions * (snapshot + 1) / kSnapshots; next += batch)
      write_chunks(store, next, batch);
    while (store.has_background_work()) must(store.background_step());
  }
  // The first checkpoint in between empties the journal; from there on it only fills.
  const auto used = [&] { return store.usage().journal_bytes_used; };
  for (std::uint64_t before = 0; used() >= before;) {
    before = used();
    write_chunks(store, next++, 1);
  }
  while (used() + kAlmost_bytes < kJournalBytes) write_chunks(store, next++, 1);
  made.exceptions = store.usage().exceptions;
  made.journal_bytes_used = store.usage().journal_bytes_used;
}

void make_store(const std::string& path, Made& made) {
  std::filesystem::resize_file(path, kMetadataBytes);
  const auto file = open_file(path);
  Unflushed metadata(*file);
  SeededRandom random(1);
  const StoreDevices devices{made.slots, made.origin, &metadata};
  must(initialize_store(devices, {.chunk_shift = kMinChunkShift, .journal_bytes = kJournalBytes},
                        random));
  const auto store = must(SnapStore::open(devices, {}, random));
  fill(*store, made);
}

void forget_cached(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  ::fsync(fd.get());
  ::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED);
}

struct Took {
  double wall_s = 0;
  double cpu_s = 0;
};

Took recover(const std::string& path, Made& made) {
  forget_cached(path);
  const auto begin = std::chrono::steady_clock::now();
  const double cpu_before = cpu_seconds();
  const auto file = open_file(path);
  SeededRandom random(2);
  const auto store = must(SnapStore::open({made.slots, made.origin, file.get()}, {}, random));
  const Took took{seconds_since(begin), cpu_seconds() - cpu_before};
  if (store->usage().exceptions != made.exceptions || !store->findings().empty())
    must(fail(ErrorCode::kFailed, "not all came back"));
  return took;
}

// The journal and so many bytes of tables as recovery has to read, once and in order.
double read_in_order(const std::string& path, std::uint64_t bytes) {
  forget_cached(path);
  const auto begin = std::chrono::steady_clock::now();
  const auto file = open_file(path);
  std::vector<std::byte> piece(kReadPieceBytes);
  for (std::uint64_t at = 0; at < bytes; at += piece.size()) must(file->read_at(at, piece));
  return seconds_since(begin);
}

int run(const std::filesystem::path& folder) {
  const std::string original = folder / "original";
  const std::string copy = folder / "copy";
  {
    const UniqueFd made_file(::open(original.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  }
  Made made;
  make_store(original, made);
  const std::uint64_t bytes = kJournalOffset + 2 * kJournalBytes +
                              made.exceptions / kRunEntriesPerBlock * kMetadataBlockBytes;
  fmt::print(
      "recovery: {} exceptions of {} snapshots, {:.1f} of {:.1f} MiB of journal, {:.1f} MiB "
      "to read\n",
      made.exceptions, kSnapshots, static_cast<double>(made.journal_bytes_used) / (1 << 20),
      static_cast<double>(kJournalBytes) / (1 << 20), static_cast<double>(bytes) / (1 << 20));
  const MadeUpDevice::Remembered remembered = made.slots.remembered;
  std::vector<double> wall, in_order;
  for (int round = 0; round < kRounds; ++round) {
    std::filesystem::copy_file(original, copy, std::filesystem::copy_options::overwrite_existing);
    in_order.push_back(read_in_order(copy, bytes));
    made.slots.remembered = remembered;
    const Took took = recover(copy, made);
    wall.push_back(took.wall_s);
    fmt::print(
        "  round {}: recovery {:.2f} s (processor {:.2f} s), the same bytes in order {:.2f} s\n",
        round, took.wall_s, took.cpu_s, in_order.back());
  }
  print_measure({.what = "recovery", .unit = "s", .ours = wall, .limit = kGoal_s});
  print_measure({.what = "recovery",
                 .unit = "s",
                 .ours = wall,
                 .peer = "reading the same bytes in order",
                 .theirs = in_order});
  return 0;
}

}  // namespace
}  // namespace ddsnap::test

int main(int argc, char** argv) {
  if (argc > 1) return ddsnap::test::run(argv[1]);
  const ddsnap::test::TempDir folder;
  return ddsnap::test::run(folder.path());
}
